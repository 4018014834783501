//! Every `diagnostics/*.yaml` is a lab file with mistakes, and the `.txt` beside it what is
//! said about them. `UPDATE=1 cargo test -p lab-core --test diagnostics` writes the latter.

mod fake;

use std::path::{Path, PathBuf};

use lab_core::check::{Checked, Source, load, render};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

fn check(path: &Path) -> Checked {
    let source = Source::File {
        path: path.to_owned(),
        overlays: Vec::new(),
    };
    load(&source, fake::CATALOGUE)
}

#[test]
fn every_file_gets_the_reports_beside_it() {
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    assert!(files.len() > 10, "the files are gone");
    for path in files {
        let checked = check(&path);
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert_eq!(checked.lab.is_none(), checked.has_errors(), "{name}");
        let prefix = format!("{}/", folder().display());
        let said = render(&checked, false).replace(&prefix, "");
        let beside = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&beside, &said).expect("written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{name}:\n{said}\ninstead of\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn ten_mistakes_are_all_said_at_once_with_line_column_and_help() {
    let checked = check(&folder().join("ten-mistakes.yaml"));
    assert_eq!(checked.diagnostics.len(), 10, "{:#?}", checked.diagnostics);
    for diagnostic in &checked.diagnostics {
        let (place, label) = &diagnostic.labels[0];
        assert!(
            place.line > 0 && place.column > 0 && place.len > 0,
            "{diagnostic:?}"
        );
        assert!(
            !label.is_empty() && diagnostic.help.is_some(),
            "{diagnostic:?}"
        );
        assert!(
            diagnostic.message.ends_with('.'),
            "a sentence: {}",
            diagnostic.message
        );
    }
}

#[test]
fn a_yaml_bomb_is_refused_at_once() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let mut diagnostics = Vec::new();
    let started = std::time::Instant::now();
    lab_core::model::yaml::parse("bomb.yaml", &bomb, &mut diagnostics);
    assert!(started.elapsed().as_secs() < 2);
    assert!(
        diagnostics
            .iter()
            .any(|diagnostic| diagnostic.code == "lab::alias")
    );
}

#[test]
fn deep_nesting_and_size_end_the_reading() {
    let deep = [
        "[".repeat(100_000),
        (0..200)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect(),
        "- ".repeat(50_000),
    ];
    for text in deep {
        let mut diagnostics = Vec::new();
        assert!(lab_core::model::yaml::parse("deep.yaml", &text, &mut diagnostics).is_none());
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
        assert_eq!(diagnostics[0].code, "lab::too-deep", "{diagnostics:?}");
    }
    let mut diagnostics = Vec::new();
    let large = "#".repeat(lab_core::model::yaml::MAX_BYTES + 1);
    assert!(lab_core::model::yaml::parse("large.yaml", &large, &mut diagnostics).is_none());
    assert_eq!(diagnostics[0].code, "lab::too-large");
}

#[test]
fn the_schema_names_every_key_and_every_service() {
    let schema = lab_core::check::schema(fake::CATALOGUE);
    let acl = schema.pointer("/properties/acls/additionalProperties/items/properties/in");
    assert!(
        acl.and_then(|key| key.get("description")).is_some(),
        "{acl:?}"
    );
    let uses = schema.pointer("/$defs/service-use/anyOf/1/properties/echo/properties/port");
    assert!(uses.is_some());
    for key in [
        "segments",
        "nodes",
        "try",
        "dns",
        "balancers",
        "directory",
        "include",
    ] {
        assert!(
            schema
                .pointer(&format!("/properties/{key}/description"))
                .is_some(),
            "{key}"
        );
    }
}
