//! The host runs dry while a lab comes up: exit code 3, a sentence, nothing left.

use crate::support::{Host, binary};

const LAB: &str =
    "lab: dry\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s, count: 40 }\n";

#[test]
fn without_descriptors_the_limit_is_named_at_any_point() {
    let host = Host::new();
    host.folder.write("lab.yaml", LAB);
    for most in [5, 8, 10, 20, 60] {
        let line = format!("ulimit -n {most}; exec {} up lab.yaml", binary().display());
        host.shell(&line)
            .fails_with(3)
            .complains("Too many open files")
            .complains("ulimit");
        host.lab(&["status"]).fails_with(2);
    }
    host.lab(&["up", "lab.yaml"]).ok();
}

#[test]
fn a_full_or_read_only_file_system_is_named() {
    let host = Host::new();
    host.folder.write("lab.yaml", LAB);
    for (options, said) in [
        ("size=8k", "No space left on device"),
        ("ro", "Read-only file system"),
    ] {
        // In a mount namespace of the test's own.
        let line = format!(
            "mkdir -p small; unshare -rm sh -c 'mount -t tmpfs -o {options} none small && \
             XDG_STATE_HOME=$PWD/small exec {} up lab.yaml'",
            binary().display()
        );
        host.shell(&line)
            .fails_with(3)
            .complains(said)
            .complains("space left");
        host.lab(&["status"]).fails_with(2);
    }
}
