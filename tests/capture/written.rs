//! What is made of packets: lines, objects, and files that Wireshark understands.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::running::{Capturing, blocks, nat, ping, tshark};

#[test]
fn a_line_a_packet_for_people_and_one_for_programs() {
    let host = nat();
    let limits = ["--duration", "60s", "--count"];
    let start = |more: &[&str]| Capturing::start(&host, &[&limits, more].concat());
    let text = start(&[
        "2",
        "laptop",
        "-f",
        "tcp[tcpflags] & tcp-syn != 0 and port 443",
    ]);
    let filter = "tcp[tcpflags] & tcp-syn != 0 and port 443";
    let json = start(&["2", "--json", "laptop", "-f", filter]);
    host.sh("laptop", "curl -sS -o /dev/null https://192.168.1.30/")
        .ok();
    let lines = text.end().ok().text();
    let lines: Vec<&str> = lines.lines().collect();
    let [first, second] = lines[..] else {
        panic!("{lines:?}")
    };
    assert!(first.contains(" laptop/home out 192.168.1.20:"), "{first}");
    assert!(
        first.ends_with(" > 192.168.1.30:443 TCP SYN length 0"),
        "{first}"
    );
    assert!(
        second.contains(" laptop/home in  192.168.1.30:443 > "),
        "{second}"
    );
    assert!(second.ends_with(" TCP SYN,ACK length 0"), "{second}");

    let objects = json.end().ok().text();
    let objects: Vec<serde_json::Value> = objects
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(objects.len(), 2);
    let first = &objects[0];
    assert_eq!(first["version"], 1);
    assert_eq!(first["node"], "laptop");
    assert_eq!(first["segment"], "home");
    assert_eq!(first["direction"], "out");
    assert_eq!(first["ip"]["to"], "192.168.1.30");
    assert_eq!(first["ip"]["tcp"]["to_port"], 443);
    assert_eq!(first["ip"]["tcp"]["flags"], "SYN");
}

#[test]
fn tls_is_read_with_the_keys_in_the_file() {
    let host = nat();
    let keys = host.folder.0.join("keys");
    let file = host.folder.0.join("tls.pcapng");
    let (keys_name, file_name) = (keys.to_string_lossy(), file.to_string_lossy());
    let arguments = [
        "laptop",
        "-w",
        &file_name,
        "--key-log",
        &keys_name,
        "-f",
        "tcp port 443",
    ];
    let running = Capturing::start(&host, &arguments);
    // Packets wait in the ring until their keys are in the file.
    running.signal(Signal::SIGSTOP);
    let line = "SSLKEYLOGFILE=/tmp/keys curl -sS --http1.1 -o /dev/null https://web.example/";
    host.sh("laptop", line).ok();
    let outcome = host.exec("laptop", &["cat", "/tmp/keys"]).ok();
    std::fs::write(&keys, outcome.stdout).expect("the key log");
    running.signal(Signal::SIGCONT);
    let captured = running.stop().ok();
    assert!(captured.stderr.contains("none lost"));
    assert!(!blocks(&std::fs::read(&file).expect("the file"), 10).is_empty());
    let asked = tshark(&file, &["-Y", "http.request"], &["http.host"]);
    assert_eq!(asked, ["web.example"]);
}

#[test]
fn checksums_hold_though_no_card_computed_them() {
    let host = nat();
    let running = Capturing::start(&host, &["laptop", "-f", "tcp or udp", "-w", "-"]);
    host.sh("laptop", "curl -sS -o /dev/null https://web.example/")
        .ok();
    let captured = running.stop().ok();
    let file = host.folder.0.join("sums.pcapng");
    std::fs::write(&file, &captured.stdout).expect("the file");
    let check = [
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
    ];
    let of = |filter: &str| {
        tshark(
            &file,
            &[&check[..], &["-Y", filter]].concat(),
            &["frame.number"],
        )
    };
    assert!(of("tcp.checksum.status == 1").len() > 5);
    assert!(!of("udp.checksum.status == 1").is_empty());
    let wrong = of("tcp.checksum.status == 0 or udp.checksum.status == 0");
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_pipe_is_read_live() {
    let host = nat();
    let arguments = ["capture", "laptop", "-f", "icmp", "-w", "-"];
    let mut reader = Command::new("tcpdump")
        .args(["-l", "-n", "-r", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tcpdump");
    let input = reader.stdin.take().expect("its input");
    let running = Capturing::of(host.command(&arguments).stdout(input));
    ping(&host, "laptop", "192.168.1.1");
    let mut lines = BufReader::new(reader.stdout.take().expect("its output")).lines();
    // While the capture runs.
    let seen: Vec<String> = lines
        .by_ref()
        .take(6)
        .map(|line| line.expect("text"))
        .collect();
    assert!(
        seen[0].contains("192.168.1.20 > 192.168.1.1: ICMP echo request"),
        "{seen:?}"
    );
    running.stop().ok();
    assert!(reader.wait().expect("it ends").success());
    assert_eq!(lines.count(), 0);
}
