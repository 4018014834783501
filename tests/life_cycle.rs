//! Up, down, apply, exec, shell, fault: what a lab goes through, with small labs.

mod support;

use std::process::Stdio;
use std::time::Duration;

use support::{Host, scenario, until};

/// Two hosts and a router, without any service.
const PAIR: &str = "\
lab: pair
segments:
  left: { prefix: 10.1.0.0/24 }
  right: { prefix: 10.2.0.0/24 }
nodes:
  router: { router: true, on: { left: .1, right: .1 } }
  a: { on: { left: .10 } }
  b: { on: { right: .10 } }
";

fn pair() -> Host {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    host.up(&file);
    host
}

/// Host-wide things that a lab could leave behind.
fn traces(host: &Host) -> String {
    let mine = host.folder.0.to_string_lossy().into_owned();
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        // A lab's processes have this test's folder in the environment they were started with.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if environment.contains(&mine) {
            processes.push(comm);
        }
    }
    processes.sort();
    format!("{}\n{processes:?}", support::links_and_mounts())
}

#[test]
fn up_and_down_leave_no_trace() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    let before = traces(&host);
    host.up(&file);
    host.sh(
        "a",
        "ping -c 1 -W 2 10.2.0.10 || nc -z -w 2 10.2.0.10 9; ip route get 10.2.0.10",
    )
    .ok()
    .says("via 10.1.0.1");
    host.lab(&["down"]).ok();
    assert_eq!(traces(&host), before);
    host.lab(&["status"]).fails_with(2);
}

/// As in a container, whose engine mounts hosts and resolv.conf: there the kernel refuses an overlay
/// on /etc.
#[test]
fn a_host_with_mounts_in_etc_can_do_it() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    let lab = host.command(&[]);
    let line = "mount --bind /etc/passwd /etc/hostname && \"$0\" up \"$1\" && \
                \"$0\" exec a -- sh -c 'hostname; ls /etc/ssl/openssl.cnf; cat /etc/hostname'";
    let mut inside = std::process::Command::new("unshare");
    inside
        .args(if support::is_root() {
            ["-m", "--"]
        } else {
            ["-rm", "--"]
        })
        .args(["sh", "-c", line])
        .arg(support::binary())
        .arg(&file)
        .current_dir(&host.folder.0);
    inside.envs(
        lab.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = inside.output().expect("unshare (package util-linux) runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.ends_with("a\n/etc/ssl/openssl.cnf\na\n"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn down_works_when_the_file_is_gone() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    host.up(&file);
    std::fs::remove_file(file).expect("the file was there");
    host.lab(&["down", "pair"]).ok();
}

#[test]
fn up_of_a_running_lab_is_refused_and_harms_nothing() {
    let host = pair();
    host.lab(&["up", "lab.yaml"])
        .fails_with(2)
        .complains("up already")
        .complains("lab apply");
    host.exec("a", &["true"]).ok();
}

#[test]
fn of_two_ups_at_once_one_wins() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    let start = || {
        let mut command = host.command(&["up", &file.to_string_lossy()]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs")
    };
    let (mut first, mut second) = (start(), start());
    let codes = [first.wait(), second.wait()].map(|status| status.expect("it ends").code());
    assert!(
        codes == [Some(0), Some(2)] || codes == [Some(2), Some(0)],
        "{codes:?}"
    );
    host.exec("b", &["true"]).ok();
}

#[test]
fn down_of_nothing_says_so() {
    let host = Host::new();
    host.lab(&["down", "nothing"])
        .fails_with(2)
        .complains("nothing");
    host.lab(&["down", "--all"]).ok();
}

#[test]
fn two_labs_stand_side_by_side() {
    let host = pair();
    let other = host
        .folder
        .write("other.yaml", &PAIR.replace("lab: pair", "lab: other"));
    host.up(&other);
    host.lab(&["exec", "a", "--", "true"])
        .fails_with(2)
        .complains("-l");
    host.lab(&["-l", "other", "exec", "a", "--", "true"]).ok();
    host.lab(&["-l", "pair", "exec", "a", "--", "true"]).ok();
    host.lab(&["down", "other"]).ok();
    host.exec("a", &["true"]).ok();
}

#[test]
fn an_interrupted_up_leaves_nothing() {
    let host = Host::new();
    let before = traces(&host);
    let mut up = host.command(&["up", &scenario("contoso").to_string_lossy()]);
    let mut up = up
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let lock = host.folder.0.join("run/tierlab/contoso.lock");
    until(
        "the lab has a first process",
        Duration::from_secs(20),
        || {
            std::fs::read_to_string(&lock).is_ok_and(|text| !text.is_empty())
                || up.try_wait().expect("wait").is_some()
        },
    );
    let _ = std::process::Command::new("kill")
        .args(["-9", &up.id().to_string()])
        .status();
    let _ = up.wait();
    until("the lab is gone", Duration::from_secs(60), || {
        traces(&host) == before
    });
    // And the next one works at once.
    let file = host.folder.write("lab.yaml", PAIR);
    host.up(&file);
}

#[test]
fn apply_changes_what_differs_and_nothing_else() {
    let host = pair();
    let mut keeps = host.spawn("a", &["sh", "-c", "echo ready; cat"]);
    let identity = host.sh("a", "readlink /proc/self/ns/net").ok().stdout;
    let changed = PAIR.replace(
        "  b: { on: { right: .10 } }\n",
        "  b: { on: { right: .20 } }\n  c: { on: left }\n",
    );
    let file = host.folder.write("lab.yaml", &changed);
    let dry = host
        .lab(&["apply", "--dry-run", &file.to_string_lossy()])
        .ok();
    assert!(dry.stdout.contains('c'), "{dry}");
    host.lab(&["apply", &file.to_string_lossy()]).ok();
    host.sh("b", "ip -4 -o addr").ok().says("10.2.0.20/24");
    host.exec("c", &["hostname"]).ok().says("c");
    assert_eq!(
        host.sh("a", "readlink /proc/self/ns/net").ok().stdout,
        identity,
        "a was started anew"
    );
    assert!(
        keeps.try_wait().expect("wait").is_none(),
        "what ran in a was ended"
    );
    drop(keeps.stdin.take());
    assert!(keeps.wait().expect("it ends").success());
    host.lab(&["apply", &file.to_string_lossy()]).ok();
}

#[test]
fn a_link_goes_down_and_comes_back() {
    let host = pair();
    assert!(
        host.sh("b", "ip -4 -o addr")
            .ok()
            .stdout
            .contains("10.2.0.10")
    );
    host.lab(&["fault", "link", "b", "right"]).ok();
    host.sh("b", "cat /sys/class/net/right/carrier")
        .ok()
        .says("0");
    host.lab(&["heal"]).ok();
    host.sh("b", "cat /sys/class/net/right/carrier")
        .ok()
        .says("1");
}

#[test]
fn a_killed_node_is_off_until_it_is_healed() {
    let host = pair();
    host.lab(&["fault", "kill", "b"]).ok();
    host.exec("b", &["true"])
        .fails_with(1)
        .complains("switched off");
    // It stays off while a file is applied, and that is no change.
    host.lab(&["apply", "--dry-run", "lab.yaml"])
        .ok()
        .says("nothing would change");
    host.lab(&["apply", "lab.yaml"]).ok();
    host.exec("b", &["true"]).fails_with(1);
    host.lab(&["heal"]).ok();
    host.exec("b", &["true"]).ok();
    host.lab(&["fault", "kill", "nobody"])
        .fails_with(2)
        .complains("nobody");
    host.lab(&["fault", "link", "b", "rihgt"])
        .fails_with(2)
        .complains("right");
    host.lab(&["fault", "drain", "b"])
        .fails_with(2)
        .complains("no balancer");
}

#[test]
fn the_tree_of_exec_ends_with_its_caller() {
    let host = pair();
    let mut caller = host.spawn("a", &["sh", "-c", "setsid sleep 1000 & sleep 1000"]);
    until("both run", Duration::from_secs(5), || {
        host.sh("a", "pgrep -c -x sleep").stdout.trim() == "2"
    });
    caller.kill().expect("kill -9 of the command");
    let _ = caller.wait();
    until("both ended", Duration::from_secs(5), || {
        host.sh("a", "pgrep -c -x sleep").stdout.trim() == "0"
    });
}

#[test]
fn a_shell_has_a_terminal_of_the_node() {
    let host = pair();
    // script(1) gives us a terminal to call from.
    let line = format!("{} shell a", support::binary().display());
    let mut command = host.command(&[]);
    let environment: Vec<_> = command
        .get_envs()
        .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
        .collect();
    drop(command);
    command = std::process::Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(&host.folder.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    for (name, value) in environment {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let mut shell = command
        .spawn()
        .expect("script (package bsdutils) must be installed");
    use std::io::Write;
    let mut input = shell.stdin.take().expect("stdin");
    input
        .write_all(b"tty; hostname; stty size; exit 9\n")
        .expect("the shell reads");
    let output = shell.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(9), "{text}");
    assert!(text.contains("/dev/pts/"), "{text}");
    assert!(text.lines().any(|line| line.trim() == "a"), "{text}");
}

#[test]
fn exec_runs_as_another_user() {
    let host = pair();
    host.lab(&["exec", "a", "--user", "nobody", "--", "id", "-un"])
        .ok()
        .says("nobody");
    host.lab(&["exec", "a", "--user", "no-such-user", "--", "id"])
        .fails_with(2)
        .complains("no-such-user");
}

#[test]
fn limits_hold_for_what_runs_in_a_node() {
    let host = Host::new();
    let text = PAIR.replace(
        "  a: { on: { left: .10 } }",
        "  a: { on: { left: .10 }, limits: { open-files: 40 } }",
    );
    let file = host.folder.write("lab.yaml", &text);
    host.up(&file);
    host.sh("a", "ulimit -n").ok().says("40");
}

#[test]
fn logs_are_readable_while_up_and_after_a_crash() {
    let host = Host::new();
    let text = PAIR.to_owned()
        + "  talker: { on: left, run: [sh, -c, 'echo one of my lines; exec sleep 1000'] }\n";
    let file = host.folder.write("lab.yaml", &text);
    host.up(&file);
    until("the line is in the log", Duration::from_secs(5), || {
        host.lab(&["logs", "talker"])
            .stdout
            .contains("one of my lines")
    });
    let first =
        std::fs::read_to_string(host.folder.0.join("run/tierlab/pair.lock")).expect("the lock");
    assert!(
        std::process::Command::new("kill")
            .args(["-9", first.trim()])
            .status()
            .expect("kill")
            .success()
    );
    until("the lab is dead", Duration::from_secs(5), || {
        host.lab(&["status"]).status != 0
    });
    host.lab(&["-l", "pair", "logs", "talker"])
        .ok()
        .says("one of my lines");
    host.up(&file);
}

#[test]
fn a_program_whose_supervisor_is_killed_does_not_run_twice() {
    let host = Host::new();
    let text = PAIR.to_owned()
        + "  two: { on: left, run: [sh, -c, 'sleep 100000 & exec sleep 100000'] }\n";
    let file = host.folder.write("lab.yaml", &text);
    host.up(&file);
    let count = || host.sh("two", "pgrep -c -x sleep").stdout.trim().to_owned();
    until("both run", Duration::from_secs(10), || count() == "2");
    host.sh(
        "two",
        "kill -9 $(cut -d' ' -f4 /proc/$(pgrep -o -x sleep)/stat)",
    );
    until("it was started again", Duration::from_secs(10), || {
        host.status()["nodes"]["two"]["processes"]["sh"]["restarts"].as_u64() >= Some(1)
            && host.status()["nodes"]["two"]["processes"]["sh"]["state"] == "healthy"
    });
    until("two run, not four", Duration::from_secs(10), || {
        count() == "2"
    });
}

#[test]
fn a_program_that_ends_is_started_again() {
    let host = Host::new();
    let text = PAIR.to_owned()
        + "  short: { on: left, run: { name: short, argv: [sh, -c, 'sleep 0.3; exit 4'], restart: on-failure } }\n";
    let file = host.folder.write("lab.yaml", &text);
    host.up(&file);
    until(
        "it was started again twice",
        Duration::from_secs(10),
        || host.status()["nodes"]["short"]["processes"]["short"]["restarts"].as_u64() >= Some(2),
    );
    host.lab(&["logs", "short"]).ok().says("status 4");
}
