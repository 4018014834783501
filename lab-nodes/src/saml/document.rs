//! XML that came from somewhere else, read strictly.

use bergshamra::xml::uppsala::{self, Document, NodeId, NodeKind};

use super::refusal::Refusal;

/// Longest document that is read, in bytes.
pub(super) const LONGEST: usize = 256 << 10;

/// Parses a document that has nothing but elements, attributes and text.
pub(super) fn parse(xml: &str) -> Result<Document<'_>, Refusal> {
    if xml.len() > LONGEST {
        return Err(Refusal::TooLong(LONGEST));
    }
    // A `<` stands in no text and no attribute: what it begins, it begins for every parser.
    for (at, _) in xml.match_indices('<') {
        let rest = &xml[at..];
        let trick = if rest.starts_with("<!--") {
            "a comment"
        } else if rest.starts_with("<![CDATA[") {
            "a CDATA section"
        } else if rest.starts_with("<!") {
            "a document type"
        } else if rest.starts_with("<?xml ") && at == 0 {
            continue;
        } else if rest.starts_with("<?") {
            "a processing instruction"
        } else {
            continue;
        };
        return Err(Refusal::Trick(trick));
    }
    uppsala::parse(xml).map_err(|error| Refusal::Malformed(error.to_string()))
}

/// All elements from a node on, in the document's order.
pub(super) fn elements(document: &Document<'_>) -> Vec<NodeId> {
    let mut open: Vec<NodeId> = document.document_element().into_iter().collect();
    let mut found = Vec::new();
    while let Some(node) = open.pop() {
        found.push(node);
        let children = document.children(node);
        open.extend(
            children
                .into_iter()
                .rev()
                .filter(|child| document.element(*child).is_some()),
        );
    }
    found
}

/// Whether an element has this name.
pub(super) fn is(document: &Document<'_>, node: NodeId, namespace: &str, name: &str) -> bool {
    let element = document.element(node);
    element.is_some_and(|element| element.name.matches(Some(namespace), name))
}

/// The child elements of this name.
pub(super) fn children(
    document: &Document<'_>,
    node: NodeId,
    namespace: &str,
    name: &str,
) -> Vec<NodeId> {
    let mut children = document.children(node);
    children.retain(|child| is(document, *child, namespace, name));
    children
}

/// The child element of this name, if there is one.
pub(super) fn child(
    document: &Document<'_>,
    node: NodeId,
    namespace: &str,
    name: &str,
) -> Result<Option<NodeId>, Refusal> {
    match children(document, node, namespace, name)[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Refusal::Malformed(format!("there are several {name}"))),
    }
}

/// The child element of this name.
pub(super) fn the(
    document: &Document<'_>,
    node: NodeId,
    namespace: &str,
    name: &str,
) -> Result<NodeId, Refusal> {
    child(document, node, namespace, name)?
        .ok_or_else(|| Refusal::Malformed(format!("there is no {name}")))
}

/// The value of an attribute without a namespace.
pub(super) fn attribute<'d>(
    document: &'d Document<'_>,
    node: NodeId,
    name: &str,
) -> Option<&'d str> {
    let attributes = &document.element(node)?.attributes;
    let found = attributes.iter().find(|one| one.name.matches(None, name));
    found.map(|one| &*one.value)
}

/// The text of an element that has nothing else in it, without the space around it.
pub(super) fn text(document: &Document<'_>, node: NodeId) -> Result<String, Refusal> {
    let mut text = String::new();
    for child in document.children(node) {
        match document.node_kind(child) {
            Some(NodeKind::Text(part)) => text.push_str(part),
            _ => {
                let name = document
                    .element(node)
                    .map(|element| &*element.name.local_name);
                let name = name.unwrap_or_default();
                return Err(Refusal::Malformed(format!(
                    "{name} has more than text in it"
                )));
            }
        }
    }
    Ok(text.trim().to_owned())
}
