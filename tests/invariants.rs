//! The invariants of ARCHITECTURE.md, held against the source.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Every Rust file below a folder, with its text up to its tests.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder)
            .expect("a folder of the project")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} has no source");
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("source");
            let code = text
                .split("#[cfg(test)]")
                .next()
                .unwrap_or_default()
                .to_owned();
            (path, code)
        })
        .collect()
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
}

#[track_caller]
fn none_has(folder: &str, forbidden: &[&str], why: &str) {
    for (path, text) in sources(folder) {
        for line in code_lines(&text) {
            for word in forbidden {
                assert!(
                    !line.contains(word),
                    "{}: `{word}` in `{line}`: {why}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let manifest = |path: &str| std::fs::read_to_string(root().join(path)).expect("manifest");
    let core = manifest("lab-core/Cargo.toml");
    assert!(
        !core.contains("lab-nodes") && !core.contains("tierlab"),
        "lab-core depends on what uses it"
    );
    let nodes = manifest("lab-nodes/Cargo.toml");
    assert!(
        !nodes.contains("tierlab.") && !nodes.contains("clap"),
        "lab-nodes depends on the command"
    );
}

#[test]
fn the_engine_names_no_product() {
    let products = [
        "lync",
        "sharepoint",
        "contoso",
        "outlook",
        "activesync",
        "tier_web",
        "tier-web",
    ];
    for (path, text) in sources("lab-core/src") {
        for line in code_lines(&text) {
            let line = line.to_lowercase();
            for product in products {
                assert!(
                    !line.contains(product),
                    "{}: `{product}` in `{line}`",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn services_touch_no_namespace_route_or_rule() {
    none_has(
        "lab-nodes/src",
        &[
            "lab_core::kernel",
            "lab_core::run",
            "rtnetlink",
            "nlink",
            "nix::",
            "unshare",
            "setns",
            "std::process::Command",
        ],
        "a service asks the engine",
    );
}

const IMPURE: [&str; 12] = [
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "SystemTime",
    "Instant::now",
    "OffsetDateTime",
    "rand::",
    "tokio::",
    "crate::kernel",
    "crate::run",
    "std::env",
    "std::process",
];

#[test]
fn a_plan_is_pure() {
    none_has(
        "lab-core/src/plan",
        &IMPURE,
        "plan does no I/O and asks neither the clock nor chance",
    );
}

#[test]
fn a_mutation_is_pure() {
    none_has(
        "lab-core/src/mutate",
        &IMPURE,
        "the same lab has the same mutations, so that a run can go on from what was found",
    );
}

#[test]
fn a_prediction_is_pure_and_knows_nothing_of_what_is_observed() {
    none_has(
        "lab-core/src/predict",
        &[&IMPURE[..], &["observe::"]].concat(),
        "what is predicted comes from the lab file alone",
    );
    for folder in ["lab-core/src/observe", "lab-core/src/run"] {
        none_has(
            folder,
            &["predict::"],
            "what is seen comes from what happened alone",
        );
    }
}

#[test]
fn the_kernel_layer_decides_nothing() {
    none_has(
        "lab-core/src/kernel",
        &[
            "crate::check::Lab",
            "check::load",
            "plan::plan",
            "plan::diff",
        ],
        "it does what a plan says",
    );
}

#[test]
fn unsafe_stays_in_the_kernel_layer() {
    for folder in ["src", "lab-nodes/src", "lab-core/src"] {
        for (path, text) in sources(folder) {
            if path.components().any(|part| part.as_os_str() == "kernel") {
                continue;
            }
            for line in code_lines(&text) {
                let found = line.contains("unsafe ") || line.contains("allow(unsafe_code)");
                assert!(!found, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn rooms_have_names() {
    for folder in ["src", "lab-nodes/src", "lab-core/src", "tests"] {
        for (path, _) in sources(folder) {
            for part in path
                .strip_prefix(root())
                .expect("below the root")
                .components()
            {
                let part = Path::new(part.as_os_str())
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .unwrap_or_default();
                let nameless = [
                    "util", "utils", "helper", "helpers", "common", "misc", "manager",
                ]
                .contains(&part);
                assert!(
                    !nameless,
                    "{}: name the room by what is in it",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn no_program_is_called_for_what_netlink_does() {
    none_has(
        "lab-core/src",
        &[
            "Command::new(\"nft",
            "Command::new(\"ip\"",
            "Command::new(\"tc\"",
            "Command::new(\"iptables",
            "Command::new(\"bridge",
        ],
        "the kernel is asked by netlink",
    );
}
