//! Much at once.

use std::io::{Read, Write};
use std::process::Child;
use std::time::Duration;

use crate::support::{Host, scenario, until};

const LAB: &str = "lab: busy\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s }\n";

#[test]
fn two_hundred_execs_at_once_all_succeed() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", LAB);
    host.up(&file);
    let callers: Vec<_> = (0..200).map(|_| host.spawn("a", &["true"])).collect();
    for caller in callers {
        let output = caller.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn a_crash_loop_is_shown_with_its_reason_and_slows_down() {
    let host = Host::new();
    let text = LAB.to_owned()
        + "  b: { on: s, run: { name: crash, argv: [sh, -c, 'sleep 0.2; exit 7'], restart: always } }\n";
    let file = host.folder.write("lab.yaml", &text);
    host.up(&file);
    until("it was started again", Duration::from_secs(20), || {
        let crash = &host.status()["nodes"]["b"]["processes"]["crash"];
        crash["restarts"].as_u64() >= Some(3)
            && crash["trouble"]
                .as_str()
                .is_some_and(|why| why.contains("status 7"))
    });
    // The waits grow, and say when they end.
    let mut longest = 0;
    until("a long wait is shown", Duration::from_secs(20), || {
        let crash = &host.status()["nodes"]["b"]["processes"]["crash"];
        longest = longest.max(crash["again_in"].as_u64().unwrap_or_default());
        longest > 700
    });
    until("people are told", Duration::from_secs(20), || {
        let said = host.lab(&["status"]).ok().stdout;
        said.contains("times, starts again in ") && said.contains("it ended with status 7")
    });
    host.exec("a", &["true"]).ok();
}

/// What a service logs must not reach the terminal of who reads it: colours may, the rest of what
/// moves cursors, sets titles or answers for the user may not.
#[test]
fn logs_do_not_drive_the_terminal_of_who_reads_them() {
    let host = Host::new();
    let text = LAB.to_owned()
        + "  b: { on: s, run: [sh, -c, \"printf 'one\\\\033]0;owned\\\\007two\\\\033[2Jthree\\\\033[31mred\\\\033[0m\\\\rfour\\\\377five\\\\302\\\\2332Jsix\\\\n'; exec sleep 1000\"] }\n";
    let file = host.folder.write("lab.yaml", &text);
    host.up(&file);
    let mut said = String::new();
    until("it is logged", Duration::from_secs(10), || {
        said = host.lab(&["logs", "b"]).ok().stdout;
        said.contains("six")
    });
    let line = said.lines().find(|line| line.contains("six")).expect("it");
    for part in ["one", "two", "three", "red", "four", "five"] {
        assert!(line.contains(part), "{line:?}");
    }
    let controls: Vec<char> = line.chars().filter(|c| c.is_control()).collect();
    assert!(controls.is_empty(), "{line:?}");
}

#[test]
fn an_endless_talker_keeps_its_log_bounded() {
    let host = Host::new();
    let text = LAB.to_owned()
        + "  b: { on: s, run: [sh, -c, 'timeout 3 cat /dev/zero; timeout 3 yes; exec sleep 1000'] }\n";
    let file = host.folder.write("lab.yaml", &text);
    host.up(&file);
    let logs = host.folder.0.join("state/tierlab/busy/logs");
    let size = |name: &str| std::fs::metadata(logs.join(name)).map_or(0, |data| data.len());
    let keeper = crate::socket::keeper(&host, "busy");
    let memory = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{keeper}/status")).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        kilobytes
            .and_then(|text| text.parse().ok())
            .expect("a size")
    };
    let before = memory();
    until("the log was turned over", Duration::from_secs(20), || {
        assert!(size("b.log") < 2 << 20, "the log grows");
        let grown = memory() - before;
        assert!(grown < 16 << 10, "the keeper grew by {grown} kB");
        size("b.log.1") > 0
    });
    assert!(size("b.log.1") < 2 << 20);
    host.exec("a", &["true"]).ok();
}

/// A fork copies the state of random number generators: what fifty processes draw first must differ.
/// A TLS 1.2 server draws most of its first message and the session's id itself (RFC 5246
/// §7.4.1.3); four sessions of each cover what health checks took before.
#[test]
fn fifty_nodes_draw_different_random_numbers() {
    let host = Host::new();
    let text = "lab: fifty\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  \
                c: { on: { s: 10.0.0.200 } }\n  n: { on: s, count: 50, service: { tier-web: {} } }\n";
    let file = host.folder.write("lab.yaml", text);
    host.up(&file);
    let line = "for n in $(seq 11 60); do for i in 1 2 3 4; do \
                timeout 5 openssl s_client -connect 10.0.0.$n:443 -tls1_2 -msg </dev/null 2>/dev/null | \
                grep -m 1 -A 6 ' ServerHello' | tail -n 6 | tr -d ' \\n'; echo; done; done";
    let output = host.sh("c", line).ok().stdout;
    let hellos: Vec<&str> = output.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(hellos.len(), 200, "{output}");
    let mut seen = std::collections::BTreeSet::new();
    for hello in hellos {
        // Type and length, version, 32 bytes of random, 32 of the session's id after its length.
        for drawn in [&hello[12..76], &hello[78..142]] {
            assert!(seen.insert(drawn), "drawn twice: {drawn}");
        }
    }
}

/// Sends datagrams that nobody answers, each the beginning of another connection.
const FLOOD: &str = "\
import socket
for port in range(20000, 20005):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('', port))
    for to in range(1, 60000):
        try:
            s.sendto(b'', ('198.51.100.200', to))
        except OSError:
            pass
";

#[test]
fn a_router_full_of_connections_says_so_keeps_them_and_takes_new_ones() {
    let host = Host::new();
    host.up(&scenario("nat"));
    let mut server = host.spawn("web", &["nc", "-l", "-p", "9000"]);
    let mut client = host.spawn(
        "laptop",
        &["sh", "-c", "until nc 198.51.100.80 9000; do :; done"],
    );
    let said = |client: &mut Child, server: &mut Child, line: &str| {
        writeln!(client.stdin.as_mut().expect("piped"), "{line}").expect("it listens");
        let mut heard = String::new();
        let mut one = [0];
        let from = server.stdout.as_mut().expect("piped");
        while !heard.ends_with('\n') {
            from.read_exact(&mut one).expect("it goes on");
            heard.push(char::from(one[0]));
        }
        assert_eq!(heard.trim(), line);
    };
    said(&mut client, &mut server, "before");
    assert!(
        !host
            .lab(&["status"])
            .ok()
            .stdout
            .contains("can hardly track more")
    );
    host.exec("laptop", &["python3", "-c", FLOOD]).ok();
    let status = host.lab(&["status"]).ok().stdout;
    assert!(status.contains("router tracks"), "{status}");
    assert!(status.contains("can hardly track more"), "{status}");
    said(&mut client, &mut server, "after");
    assert!(
        host.exec("laptop", &["curl", "-sS", "https://web.example/"])
            .ok()
            .stdout
            .contains("web")
    );
    drop(client.stdin.take());
    for mut process in [client, server] {
        process.kill().expect("it was started here");
        process.wait().expect("it ends");
    }
}
