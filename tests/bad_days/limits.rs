//! Limits of the caller that are used up in mid-`up`: exit code 3, the limit named, nothing left.

use std::time::Duration;

use crate::support::{Host, binary};

const LAB: &str =
    "lab: dry\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s, count: 40 }\n";

/// A wait that ends is part of what is tested.
const LIMIT: Duration = Duration::from_secs(60);

#[track_caller]
fn refused(line: &str, words: &[&str]) {
    let host = Host::new();
    host.folder.write("lab.yaml", LAB);
    let line = format!("timeout {} {line}", LIMIT.as_secs());
    let mut outcome = host.shell(&line).fails_with(3);
    for word in words {
        outcome = outcome.complains(word);
    }
    host.lab(&["status"]).fails_with(2);
    host.lab(&["up", "lab.yaml"]).ok();
}

#[test]
fn no_more_namespaces() {
    // The limits of a user namespace of the test's own: none of the host is touched.
    for (kind, most) in [
        ("net", 0),
        ("net", 5),
        ("user", 10),
        ("mnt", 12),
        ("pid", 1),
    ] {
        let line = format!(
            "unshare -r sh -c 'echo {most} >/proc/sys/user/max_{kind}_namespaces && exec {} up lab.yaml'",
            binary().display()
        );
        refused(&line, &["as many namespaces as", "user.max_net_namespaces"]);
    }
}

#[test]
fn no_more_processes() {
    // Root's own processes are not counted; those of its labs are, and those of users.
    for most in [2, 5, 20] {
        let line = format!(
            "bash -c 'ulimit -Su {most} && exec {} up lab.yaml'",
            binary().display()
        );
        refused(&line, &["processes", "ulimit -u"]);
    }
}

#[test]
fn hardly_any_memory() {
    let host = Host::new();
    host.folder.write("lab.yaml", LAB);
    // Below some size the program cannot even be loaded; from there on it is a sentence or a lab.
    let mut came_up = false;
    for kilobytes in (8_000..128_000).step_by(8_000) {
        let line = format!(
            "timeout 60 sh -c 'ulimit -v {kilobytes}; exec {} up lab.yaml'",
            binary().display()
        );
        let outcome = host.shell(&line);
        assert!(
            !outcome.stderr.contains("panicked"),
            "a panic is no sentence: {outcome}"
        );
        match outcome.status {
            0 => {
                came_up = true;
                host.lab(&["down", "dry"]).ok();
            }
            _ => {
                host.lab(&["status"]).fails_with(2);
            }
        }
    }
    assert!(came_up, "128 MB are enough for 40 nodes");
}
