//! What each kind of process in a node has left: capabilities, filters, descriptors, folders.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::attempts;
use super::host::{Check, Kind, Stage};
use super::support::binary;

pub const TESTS: &[Check] = &[
    (
        "x11_exec_sees_the_callers_own_files_read_only",
        exec_sees_own_files,
    ),
    (
        "x11_services_have_no_capability",
        services_have_no_capability,
    ),
    (
        "x11_services_see_no_home_and_hold_no_descriptor_of_the_host",
        services_see_no_home,
    ),
    (
        "x11_attempts_of_services_are_made_by_the_service_itself",
        services_make_them_themselves,
    ),
    (
        "x11_capabilities_of_programs_are_as_listed",
        programs_have_the_listed_capabilities,
    ),
    (
        "x11_another_user_has_no_capability",
        another_user_has_no_capability,
    ),
    (
        "x11_supervisors_keep_the_right_to_kill_alone",
        supervisors_may_only_kill,
    ),
    (
        "x11_a_folder_of_the_host_is_not_passed_into_a_node",
        a_folder_is_not_passed,
    ),
    (
        "x11_nothing_is_typed_into_the_callers_terminal",
        nothing_is_typed,
    ),
    ("x11_etc_of_the_host_stays_as_it_is", etc_stays),
    (
        "x11_the_list_in_the_documentation_is_complete",
        the_list_is_complete,
    ),
];

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE, NET_ADMIN,
/// NET_RAW, SYS_CHROOT, SYS_PTRACE, AUDIT_WRITE, SETFCAP.
const PROGRAM: &str = "00000000a00c34fb";
const NONE: &str = "0000000000000000";

/// A field of a process's status; `process` is a number or `self`.
fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {name} in {status}"))
        .trim()
        .to_owned()
}

fn service(stage: &Stage) -> String {
    let found = stage.exec("a", &["pgrep", "-x", "dns"]).ok().stdout;
    found.trim().to_owned()
}

fn services_have_no_capability(stage: &Stage) {
    let path = format!("/proc/{}/status", service(stage));
    let status = stage.exec("a", &["cat", &path]).ok().stdout;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(&status, set), NONE, "{set}");
    }
    assert_eq!(field(&status, "NoNewPrivs"), "1");
    assert_eq!(field(&status, "Seccomp"), "2");
}

fn services_see_no_home(stage: &Stage) {
    let root = format!("/proc/{}/root", service(stage));
    for home in ["home", "root", "mnt"] {
        let seen = stage
            .exec("a", &["ls", "-A", &format!("{root}/{home}")])
            .ok()
            .stdout;
        assert_eq!(seen, "", "{home}");
    }
    stage
        .exec("a", &["ls", &format!("{root}/usr")])
        .ok()
        .says("bin");
    let open = stage
        .exec(
            "a",
            &[
                "sh",
                "-c",
                &format!("cd {root}/../fd && for f in *; do readlink $f; done"),
            ],
        )
        .ok()
        .stdout;
    assert!(open.contains("socket:"), "no descriptors seen: {open}");
    for line in open.lines() {
        let own = ["socket:", "pipe:", "anon_inode:", "/dev/null"];
        assert!(own.iter().any(|kind| line.starts_with(kind)), "{open}");
    }
}

/// The other half of each attempt in a service: what must succeed does, by its own process.
fn services_make_them_themselves(stage: &Stage) {
    let service = stage.exec("p", &["pgrep", "-x", "tier-web"]).ok().stdout;
    let got = |request: serde_json::Value| {
        let answer = stage.attempt(Kind::Service, &request.to_string());
        answer["got"]
            .as_str()
            .unwrap_or_else(|| panic!("{request}: {answer}"))
            .to_owned()
    };
    let ask = |probe: &str, arguments: serde_json::Value| {
        got(serde_json::json!({ "probe": probe, "arguments": arguments }))
    };
    assert_eq!(ask("identity", serde_json::json!([])), service.trim());
    ask("read", serde_json::json!(["/etc/hostname"]));
    ask("listing", serde_json::json!(["/usr"]));
    ask("create", serde_json::json!(["/tmp/of-the-service"]));
    ask("device", serde_json::json!(["/dev/null"]));
    ask("process", serde_json::json!(["probe.py"]));
    // It answers its health check afterwards as before.
    let line = "curl -sSf --max-time 5 --resolve p.example:443:10.1.0.30 https://p.example/health";
    stage.exec("b", &["sh", "-c", line]).ok();
    assert_eq!(
        stage.exec("p", &["pgrep", "-x", "tier-web"]).ok().stdout,
        service
    );
}

fn programs_have_the_listed_capabilities(stage: &Stage) {
    let program = stage
        .exec("b", &["sh", "-c", "cat /proc/$(pgrep -x sleep)/status"])
        .ok()
        .stdout;
    let exec = stage.exec("b", &["cat", "/proc/self/status"]).ok().stdout;
    for status in [program, exec] {
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert_eq!(field(&status, set), PROGRAM, "{set} of {status}");
        }
        assert_eq!(field(&status, "CapInh"), NONE);
        assert_eq!(field(&status, "CapAmb"), NONE);
        assert_eq!(field(&status, "NoNewPrivs"), "1");
        assert_eq!(field(&status, "Seccomp"), "2");
    }
}

fn another_user_has_no_capability(stage: &Stage) {
    let arguments = [
        "-l",
        "isolated",
        "exec",
        "b",
        "--user",
        "nobody",
        "--",
        "cat",
        "/proc/self/status",
    ];
    let status = stage.host.lab(&arguments).ok().stdout;
    for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(field(&status, set), NONE, "{set} of {status}");
    }
    assert_eq!(field(&status, "Seccomp"), "2");
}

fn supervisors_may_only_kill(stage: &Stage) {
    let line = "cat /proc/$(ps -o ppid= -p $(pgrep -x sleep) | tr -d ' ')/status";
    let status = stage.exec("b", &["sh", "-c", line]).ok().stdout;
    assert_eq!(field(&status, "CapEff"), "0000000000000020", "{status}");
    assert_eq!(field(&status, "CapPrm"), "0000000000000020");
}

fn a_folder_is_not_passed(stage: &Stage) {
    let run = |input: &std::path::Path| {
        let mut command = stage.host.command(&[
            "-l",
            "isolated",
            "exec",
            "a",
            "--",
            "ls",
            "/proc/self/fd/0/",
        ]);
        command.stdin(std::fs::File::open(input).expect("it is there"));
        command.output().expect("the binary runs")
    };
    let refused = run(&stage.open);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a folder of the host"));
    // A file is no way up.
    assert_ne!(
        run(&stage.open.join("probe.py")).status.code(),
        Some(2 + 125)
    );
}

/// Runs a line with a terminal of its own; what came out.
fn with_terminal(stage: &Stage, line: &str) -> String {
    let mut command = Command::new("script");
    let of_lab = stage.host.command(&[]);
    for (name, value) in of_lab.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let output = command
        .arg0("script")
        .args(["-qec", line, "/dev/null"])
        .current_dir(&stage.open)
        .stdin(Stdio::null())
        .output()
        .expect("script (package bsdutils) must be installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn nothing_is_typed(stage: &Stage) {
    let lab = binary();
    let line = format!(
        "{} -l isolated exec p -- /usr/bin/python3 /etc/probe.py terminal",
        lab.display()
    );
    let said = with_terminal(stage, &line);
    assert!(said.contains("stopped"), "{said}");
    let said = with_terminal(stage, "/usr/bin/python3 probe.py terminal");
    let setting = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").unwrap_or("1".into());
    // Kernels from 6.2 on may refuse it to everybody.
    assert!(said.contains("got") || setting.trim() == "0", "{said}");
}

fn exec_sees_own_files(stage: &Stage) {
    let file = stage.open.join("public/secret.txt");
    let file = file.to_string_lossy();
    let read = stage.exec("b", &["cat", &file]);
    if super::support::is_root() {
        // The lab's root is not the host's.
        read.fails_with(1).complains("Permission denied");
    } else {
        read.ok().says("for the host alone");
    }
    let line = format!("echo more >> {file} || echo more > {file}");
    assert_ne!(stage.exec("b", &["sh", "-c", &line]).status, 0);
    let now = std::fs::read_to_string(&*file).expect("it is there");
    assert_eq!(now, "for the host alone");
}

fn etc_stays(stage: &Stage) {
    let before = std::fs::read("/etc/passwd").expect("it is there");
    stage.exec(
        "p",
        &[
            "sh",
            "-c",
            "echo x:x:1:1::/:/bin/sh >> /etc/passwd; grep -q ^x: /etc/passwd; \
            mkdir -p /etc/tierlab-probe",
        ],
    );
    assert_eq!(std::fs::read("/etc/passwd").expect("it is there"), before);
    assert!(!std::path::Path::new("/etc/tierlab-probe").exists());
}

/// The table of attempts, as the documentation has it. `UPDATE=1` writes it there.
fn the_list_is_complete(_: &Stage) {
    let mut table = String::from("| attempt | made as | what stops it |\n| --- | --- | --- |\n");
    for attempt in attempts::all() {
        let kinds: Vec<&str> = attempt.kinds.iter().map(|kind| kind.title()).collect();
        table += &format!(
            "| {} | {} | {} |\n",
            attempt.name,
            kinds.join(", "),
            attempt.stopped_by
        );
    }
    let text = include_str!("../../docs/isolation.md");
    let start = text.find("| attempt |").expect("the table");
    let end = start
        + text[start..]
            .find("\n\n")
            .map_or(text.len() - start, |end| end + 1);
    if std::env::var_os("UPDATE").is_some() {
        let new = format!("{}{table}{}", &text[..start], &text[end..]);
        std::fs::write(super::support::source().join("docs/isolation.md"), new).expect("write");
        return;
    }
    assert_eq!(&text[start..end], table, "UPDATE=1 writes the table");
}
