//! The schema as clients read it (RFC 4512 §4.1), in the words of AD.

use super::attributes::ATTRIBUTES;
use super::classes::{CLASSES, Kind};

/// The values of `attributeTypes`.
pub fn attribute_types() -> Vec<String> {
    let define = |known: &super::Attribute| {
        let single = if known.single { " SINGLE-VALUE" } else { "" };
        let computed = if known.on_request {
            " NO-USER-MODIFICATION"
        } else {
            ""
        };
        format!(
            "( {} NAME '{}' SYNTAX '{}'{single}{computed} )",
            known.oid,
            known.name,
            known.syntax.oid()
        )
    };
    ATTRIBUTES.iter().map(define).collect()
}

/// The values of `objectClasses`.
pub fn object_classes() -> Vec<String> {
    let define = |known: &super::Class| {
        let kind = match known.kind {
            Kind::Structural => "STRUCTURAL",
            Kind::Abstract => "ABSTRACT",
            Kind::Auxiliary => "AUXILIARY",
        };
        let above = if known.parent == known.name {
            String::new()
        } else {
            format!(" SUP {}", known.parent)
        };
        let mut text = format!("( {} NAME '{}'{above} {kind}", known.oid, known.name);
        for (word, list) in [("MUST", known.must), ("MAY", known.may)] {
            if !list.is_empty() {
                text += &format!(" {word} ({} )", list.join(" $ "));
            }
        }
        text + " )"
    };
    CLASSES.iter().map(define).collect()
}
