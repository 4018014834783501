//! Plans of every lab of the project, as snapshots; the published schema against every lab file.
//!
//! `INSTA_UPDATE=always cargo test --test plans` writes the snapshots anew: read what changed.

use std::path::PathBuf;

use lab_core::check::{self, Source};
use lab_core::plan::{diff, plan};

const LABS: [&str; 7] = [
    "router",
    "nat",
    "perimeter",
    "balancer",
    "login",
    "nginx",
    "contoso",
];

fn file(lab: &str) -> PathBuf {
    // Relative, so that places in the plan are the same wherever the project lies.
    PathBuf::from("scenarios").join(lab).join("lab.yaml")
}

fn checked(lab: &str) -> check::Lab {
    let source = Source::File {
        path: file(lab),
        overlays: Vec::new(),
    };
    let checked = check::load(&source, lab_nodes::CATALOGUE);
    let report = check::render(&checked, false);
    assert!(checked.diagnostics.is_empty(), "{lab}: {report}");
    checked.lab.expect("a lab without mistakes")
}

#[test]
fn plans_are_as_they_were() {
    for name in LABS {
        let plan = plan(&checked(name), lab_nodes::CATALOGUE);
        let text = serde_json::to_string_pretty(&plan).expect("a plan is JSON");
        // Addresses, prefixes and the like in one line: the snapshot stays readable.
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("plan-{name}"), text);
        });
    }
}

#[test]
fn the_same_file_gives_the_same_plan_and_an_empty_diff() {
    for name in LABS {
        let plans = [(); 2].map(|()| plan(&checked(name), lab_nodes::CATALOGUE));
        let bytes = plans
            .each_ref()
            .map(|plan| serde_json::to_vec(plan).expect("a plan is JSON"));
        assert_eq!(bytes[0], bytes[1], "{name}");
        assert_eq!(diff(&plans[0], &plans[1]), [], "{name}");
    }
}

/// The schema is one that validators know, and every lab file of the project meets it.
#[test]
fn every_lab_file_meets_the_published_schema() {
    let schema = check::schema(lab_nodes::CATALOGUE);
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let mut files = 0;
    for lab in LABS {
        let folder = PathBuf::from("scenarios").join(lab);
        for entry in std::fs::read_dir(folder)
            .expect("the lab's folder")
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a lab file");
            let value: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
            let mistakes: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(mistakes.is_empty(), "{}: {mistakes:#?}", path.display());
            files += 1;
        }
    }
    assert!(files >= LABS.len());
    let wrong = serde_json::json!({ "lab": "x", "segments": { "s": { "perfix": "10.0.0.0/24" } } });
    assert!(!validator.is_valid(&wrong), "the schema forbids nothing");
}

/// The README's picture is what the program draws: `lab graph contoso > docs/contoso.svg`.
#[test]
fn the_picture_in_the_readme_is_drawn_by_the_program() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["graph", "contoso"])
        .output()
        .expect("the binary runs");
    assert!(output.status.success());
    let picture = std::fs::read("docs/contoso.svg").expect("the picture");
    assert!(
        picture == output.stdout,
        "`lab graph contoso` draws another picture"
    );
}
