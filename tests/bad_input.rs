//! What a user reads when something is wrong, and that nothing is left of it.

mod support;

use support::Host;

fn check(text: &str) -> support::Outcome {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", text);
    host.lab(&["check", &file.to_string_lossy()])
}

#[test]
fn ten_mistakes_are_ten_reports_with_their_lines() {
    let text = "\
lab: Ten Mistakes
segments:
  left: { prefix: 10.1.0.0/24, zoen: inside }
  right: { prefix: 10.1.0.128/25 }
nodes:
  router: { router: true, on: { left: .1, rihgt: .129 } }
  a: { on: { left: 10.9.0.5 } }
  b: { on: { left: .7 }, service: dsn }
  c: { on: { left: .7 } }
  d: { on: left, acl: gatewya }
  e: { on: left, routes: { 10.3.0.0/24: nobody } }
  f: { on: left, limits: { open-files: many } }
acls:
  gateway:
    - { id: R1, permit: tcp/443, to: 10.1.0.0/24 }
    - { id: R2, permit: tpc/80 }
";
    let outcome = check(text).fails_with(2);
    for (line, word) in [
        (1, "Ten Mistakes"),
        (3, "zoen"),
        (4, "10.1.0.128/25"),
        (6, "rihgt"),
        (7, "10.9.0.5"),
        (8, "dsn"),
        (9, "10.1.0.7"),
        (10, "gatewya"),
        (11, "nobody"),
        (12, "many"),
        (16, "tpc"),
    ] {
        assert!(
            outcome.stderr.contains(&format!("lab.yaml:{line}:")),
            "line {line} ({word}) is missing: {outcome}"
        );
        assert!(
            outcome.stderr.contains(word),
            "{word} is missing: {outcome}"
        );
    }
    for nearest in ["zone", "right", "dns", "gateway"] {
        assert!(
            outcome.stderr.contains(nearest),
            "the nearest name {nearest} is missing: {outcome}"
        );
    }
}

#[test]
fn a_name_that_is_a_path_or_a_shell_word_is_refused() {
    for name in ["../../etc", "$(reboot)", "a;b", "a b", "/", "..", "-rf"] {
        let text = format!(
            "lab: x\nsegments:\n  s: {{ prefix: 10.0.0.0/24 }}\nnodes:\n  '{name}': {{ on: s }}\n"
        );
        check(&text).fails_with(2).complains("lab.yaml:5");
        let text = format!(
            "lab: '{name}'\nsegments:\n  s: {{ prefix: 10.0.0.0/24 }}\nnodes:\n  a: {{ on: s }}\n"
        );
        check(&text).fails_with(2).complains("lab.yaml:1");
    }
}

#[test]
fn a_file_that_is_not_there_or_no_yaml_is_named() {
    let host = Host::new();
    host.lab(&["up", "missing.yaml"])
        .fails_with(2)
        .complains("missing.yaml");
    host.folder.write("broken.yaml", "lab: [x\nnodes: }\n");
    host.lab(&["check", "broken.yaml"])
        .fails_with(2)
        .complains("broken.yaml:");
}

#[test]
fn a_port_in_use_inside_a_node_is_named() {
    let host = Host::new();
    let text = "\
lab: clash
segments:
  s: { prefix: 10.0.0.0/24 }
nodes:
  a: { on: s, service: { tier-web: { port: 443, only-from-peers: false } } }
  b: { on: s }
";
    let file = host.folder.write("lab.yaml", text);
    host.up(&file);
    let mut squatter = host.spawn("a", &["nc", "-lk", "8443"]);
    support::until(
        "the port is taken",
        std::time::Duration::from_secs(5),
        || host.sh("b", "nc -z -w 1 10.0.0.11 8443").status == 0,
    );
    host.folder.write("lab.yaml", &text.replace("443", "8443"));
    let outcome = host.lab(&["apply", "lab.yaml"]).fails_with(1);
    assert!(
        outcome.stderr.contains("8443") && outcome.stderr.contains("has this port"),
        "{outcome}"
    );
    // Rolled back: what ran before runs.
    host.sh("b", "nc -z -w 2 10.0.0.11 443").ok();
    let _ = squatter.kill();
    let _ = squatter.wait();
}

#[test]
fn a_missing_program_of_a_node_is_named_and_nothing_is_left() {
    let host = Host::new();
    let text = "lab: miss\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s, run: [no-such-daemon] }\n";
    host.folder.write("lab.yaml", text);
    let outcome = host.lab(&["up", "lab.yaml"]);
    assert!(matches!(outcome.status, 1..=3), "{outcome}");
    assert!(outcome.stderr.contains("no-such-daemon"), "{outcome}");
    host.lab(&["status"]).fails_with(2);
    host.folder
        .write("lab.yaml", &text.replace("no-such-daemon", "sleep, '1000'"));
    host.lab(&["up", "lab.yaml"]).ok();
}

#[test]
fn without_user_namespaces_the_message_names_the_setting() {
    let host = Host::new();
    host.folder.write(
        "lab.yaml",
        "lab: no\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s }\n",
    );
    // In a user namespace of our own we may forbid further ones, and bother nobody else.
    let line = format!(
        "mount -t proc proc /proc && echo 0 >/proc/sys/user/max_user_namespaces && \
         {0} check lab.yaml; echo \"check $?\" >&2; exec {0} up lab.yaml",
        support::binary().display()
    );
    let mut command = std::process::Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "sh",
        "-c",
        &line,
    ]);
    for (key, value) in host.command(&[]).get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    let output = command
        .current_dir(&host.folder.0)
        .output()
        .expect("unshare (util-linux)");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("check 3"), "{text}");
    assert!(text.contains("user.max_user_namespaces"), "{text}");
}

#[test]
fn an_unwritable_state_folder_is_named() {
    let host = Host::new();
    let file = host.folder.write(
        "lab.yaml",
        "lab: no\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s }\n",
    );
    host.folder
        .write("state", "a file where the folder should be");
    host.lab(&["up", &file.to_string_lossy()])
        .fails_with(3)
        .complains("state");
    host.lab(&["status"]).fails_with(2);
}

#[test]
fn garbage_on_the_control_socket_harms_nobody() {
    use std::io::{Read, Write};
    let host = Host::new();
    let file = host.folder.write(
        "lab.yaml",
        "lab: deaf\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s }\n",
    );
    host.up(&file);
    let socket = host.folder.0.join("run/tierlab/deaf.sock");
    for garbage in [
        &b"\xff\xff\xff\xff"[..],
        b"\x05\x00\x00\x00hello",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x02\x00\x00\x00{}",
        b"",
    ] {
        let mut stream =
            std::os::unix::net::UnixStream::connect(&socket).expect("the socket is there");
        stream.write_all(garbage).expect("it takes bytes");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    host.exec("a", &["true"]).ok();
}

#[test]
fn a_lab_that_fails_to_become_healthy_leaves_nothing_but_its_logs() {
    let host = Host::new();
    let text = "lab: sick\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s, run: { name: liar, argv: [sh, -c, 'echo I shall not listen; exit 5'], restart: never, health: { tcp: 80 } } }\n  b: { on: s }\n";
    let file = host.folder.write("lab.yaml", text);
    host.lab(&["up", &file.to_string_lossy()])
        .fails_with(1)
        .complains("liar of a")
        .complains("lab logs -l sick a");
    host.lab(&["status"]).fails_with(2);
    host.lab(&["-l", "sick", "logs", "a"])
        .ok()
        .says("I shall not listen");
}
