//! What the engine promises of any lab, seen in the largest one.

use std::collections::BTreeSet;

use crate::Looks;
use crate::support::Host;

pub const LOOKS: &[Looks] = &[
    ("every_service_was_seen_healthy", healthy),
    ("no_two_nodes_share_random_numbers", random),
    ("a_node_sees_no_process_of_another", processes),
    (
        "the_host_is_read_only_and_its_sockets_are_out_of_reach",
        read_only,
    ),
    ("a_node_has_its_own_name_and_a_writable_home", own_place),
    ("acl_drops_are_in_the_kernel_with_their_ids", rules),
    ("exit_status_and_streams_pass_through_exec", exec),
    ("files_are_copied_in_and_out", cp),
];

pub const BREAKS: &[Looks] = &[
    ("a_dead_node_is_started_again_while_others_go_on", restart),
    ("a_download_goes_on_through_an_apply", apply),
];

fn healthy(host: &Host) {
    let status = host.status();
    let nodes = status["nodes"].as_object().expect("nodes");
    assert!(nodes.len() >= 50, "{} nodes", nodes.len());
    for (name, node) in nodes {
        assert_eq!(node["running"], true, "{name}");
        for (process, state) in node["processes"].as_object().expect("processes") {
            assert_eq!(state["state"], "healthy", "{process} of {name}: {state}");
        }
    }
}

/// A fork copies the state of random number generators: fifty nodes' first values must differ.
fn random(host: &Host) {
    let status = host.status();
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for node in status["nodes"].as_object().expect("nodes").keys() {
        let serial = host
            .sh(
                node,
                "openssl x509 -in /etc/tierlab/node.crt -noout -serial",
            )
            .ok()
            .stdout;
        count += 1;
        assert!(seen.insert(serial), "{node} has the serial of another");
    }
    assert!(count >= 50);
}

fn processes(host: &Host) {
    let names = host
        .exec("lb", &["sh", "-c", "cat /proc/[0-9]*/comm"])
        .ok()
        .stdout;
    assert!(names.lines().count() < 12, "{names}");
    assert!(
        !names.contains("systemd") && !names.contains("lab-keeper"),
        "{names}"
    );
}

fn read_only(host: &Host) {
    for path in [
        "/usr/tierlab-test",
        "/tierlab-test",
        "/var/lib/tierlab-test",
        "/opt/tierlab-test",
    ] {
        host.exec("pc1", &["touch", path]).fails_with(1);
        assert!(
            !std::path::Path::new(path).exists(),
            "{path} is on the host"
        );
    }
    let sockets = host
        .sh("pc1", "ls /run/dbus /run/docker.sock /run/systemd 2>&1")
        .stdout;
    assert!(
        sockets.lines().all(|line| line.contains("No such file")),
        "{sockets}"
    );
    host.sh("pc1", "echo x >/tmp/here && test -s /tmp/here")
        .ok();
    assert!(
        !std::path::Path::new("/tmp/here").exists(),
        "/tmp of a node is the host's"
    );
}

fn own_place(host: &Host) {
    host.exec("sp-fe2", &["hostname"]).ok().says("sp-fe2");
    host.sh("sp-fe2", "cd && echo x >mine && cat mine")
        .ok()
        .says("x");
    host.sh("sp-fe1", "cat ~/mine").fails_with(1);
}

fn rules(host: &Host) {
    for (node, ids) in [
        ("gateway", ["P1", "P7", "P12", "E1"]),
        ("core", ["T1", "T3", "T6", "T9"]),
    ] {
        let ruleset = host.exec(node, &["nft", "list", "ruleset"]).ok().stdout;
        for id in ids {
            assert!(
                ruleset.contains(&format!("comment \"{id}\t")),
                "{id} is not in the kernel of {node}"
            );
        }
    }
    let nat = host.exec("gateway", &["nft", "list", "ruleset"]).ok();
    assert!(nat.stdout.contains("masquerade"), "{nat}");
}

fn exec(host: &Host) {
    host.sh("pc1", "exit 7").fails_with(7);
    host.sh("pc1", "kill -TERM $$").fails_with(143);
    host.sh("pc1", "echo out; echo err >&2")
        .ok()
        .says("out")
        .complains("err");
    host.exec("pc1", &["no-such-program"])
        .fails_with(127)
        .complains("no-such-program");
    host.lab(&["exec", "pc11", "--", "true"])
        .fails_with(2)
        .complains("did you mean `pc1`?");
}

fn cp(host: &Host) {
    let file = host.folder.write("in.txt", "carried\n");
    host.lab(&["cp", &file.to_string_lossy(), "pc1:/tmp/there.txt"])
        .ok();
    host.exec("pc1", &["cat", "/tmp/there.txt"])
        .ok()
        .says("carried");
    let back = host.folder.0.join("back.txt");
    host.lab(&["cp", "pc1:/tmp/there.txt", &back.to_string_lossy()])
        .ok();
    assert_eq!(
        std::fs::read_to_string(back).expect("copied back"),
        "carried\n"
    );
}

fn restart(host: &Host) {
    use crate::support::until;
    use std::time::Duration;
    let before = host.status()["nodes"]["wac1"]["restarts"].as_u64();
    assert_eq!(before, Some(0));
    // The kernel protects a first process from its own namespace: it is killed from outside.
    let pid = first_process_of(host, "wac1");
    assert!(
        std::process::Command::new("kill")
            .args(["-9", &pid])
            .status()
            .expect("kill")
            .success()
    );
    until(
        "wac1 is started again and healthy",
        Duration::from_secs(20),
        || {
            let node = &host.status()["nodes"]["wac1"];
            node["restarts"] == 1
                && node["processes"]
                    .as_object()
                    .is_some_and(|all| all.values().all(|p| p["state"] == "healthy"))
        },
    );
    assert_eq!(
        host.http_status_as("alice", "pc1", "https://intranet.contoso.com/"),
        "200"
    );
}

/// The host's number of a node's first process: a child of the lab's first process, whose number is
/// in the lock, with the node's name as its title.
fn first_process_of(host: &Host, node: &str) -> String {
    let lock = host.folder.0.join("run/tierlab/contoso.lock");
    let lab = std::fs::read_to_string(lock).expect("the lock of a lab that is up");
    let children = format!("/proc/{0}/task/{0}/children", lab.trim());
    let children = std::fs::read_to_string(children).expect("the lab's first process lives");
    let is_node = |pid: &&str| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == node)
    };
    let found = children.split_whitespace().find(is_node);
    found
        .unwrap_or_else(|| panic!("no first process of {node}"))
        .to_owned()
}

fn apply(host: &Host) {
    use std::io::{Read, Write};
    // A connection through isp, gateway and lb stays open while something else changes.
    let mut talk = host.spawn(
        "roaming",
        &[
            "openssl",
            "s_client",
            "-quiet",
            "-connect",
            "mail.contoso.com:443",
            "-servername",
            "mail.contoso.com",
        ],
    );
    let mut input = talk.stdin.take().expect("stdin");
    let mut output = talk.stdout.take().expect("stdout");
    let request = b"GET / HTTP/1.1\r\nHost: mail.contoso.com\r\n\r\n";
    let mut ask = || {
        input.write_all(request).expect("the connection is open");
        let mut buffer = [0; 4096];
        let mut text = String::new();
        while !text.contains("</html>") {
            let count = output.read(&mut buffer).expect("the connection is open");
            assert!(count > 0, "the connection was closed after: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        text
    };
    assert!(ask().contains("200 OK"));
    let folder = crate::support::source().join("scenarios/contoso");
    for name in ["lab.yaml", "acl.yaml", "dns.yaml", "directory.yaml"] {
        let text = std::fs::read_to_string(folder.join(name)).expect("contoso's files");
        let text = if name == "lab.yaml" {
            text.replacen("\nnodes:\n", "\nnodes:\n  newcomer: { on: clients }\n", 1)
        } else {
            text
        };
        host.folder.write(name, &text);
    }
    let outcome = host.lab(&["apply", &host.folder.0.join("lab.yaml").to_string_lossy()]);
    assert_eq!(outcome.status, 0, "{outcome}");
    assert!(ask().contains("200 OK"));
    host.exec("newcomer", &["hostname"]).ok().says("newcomer");
    drop(input);
    let _ = talk.kill();
    let _ = talk.wait();
}
