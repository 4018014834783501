//! `lab capture`, its files read by Wireshark's programs and tcpdump.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Host, scenario, until};

fn nat() -> Host {
    let host = Host::new();
    host.up(&scenario("nat"));
    host
}

/// A `lab capture` that runs. Its end is waited for; what it would print is read then.
struct Capturing {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

struct Captured {
    status: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Capturing {
    /// Starts one and waits until it captures.
    #[track_caller]
    fn start(host: &Host, arguments: &[&str]) -> Self {
        let mut all = vec!["capture"];
        all.extend(arguments);
        Self::of(host.command(&all).stdout(Stdio::piped()))
    }

    #[track_caller]
    fn of(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("its stderr"));
        let mut said = String::new();
        while !said.contains("capturing ") {
            let length = stderr.read_line(&mut said).expect("text");
            assert!(length > 0, "it ended: {said}");
        }
        Self {
            child,
            stderr,
            said,
        }
    }

    /// Interrupts it, as Ctrl-C does.
    #[track_caller]
    fn stop(self) -> Captured {
        self.signal(Signal::SIGINT);
        self.end()
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it runs");
    }

    /// Waits until it ends by itself.
    #[track_caller]
    fn end(mut self) -> Captured {
        let mut stdout = Vec::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_end(&mut stdout).expect("its output");
        }
        self.stderr.read_to_string(&mut self.said).expect("text");
        Captured {
            status: self.child.wait().expect("it ends").code(),
            stdout,
            stderr: self.said,
        }
    }
}

impl Captured {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Fields of the packets of a file that tshark's filter fits, a line each.
#[track_caller]
fn tshark(file: &Path, more: &[&str], fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(file)
        .args(more)
        .args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn capinfos(file: &Path) -> String {
    let output = Command::new("capinfos")
        .arg(file)
        .output()
        .expect("capinfos");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How often each line comes.
fn counted(mut lines: Vec<String>) -> Vec<(usize, String)> {
    lines.sort();
    let parts = lines.chunk_by(|a, b| a == b);
    parts.map(|same| (same.len(), same[0].clone())).collect()
}

/// Blocks of a type in a pcapng file: their bodies.
fn blocks(bytes: &[u8], kind: u32) -> Vec<&[u8]> {
    let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("a word"));
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let length = word(at + 4) as usize;
        if word(at) == kind {
            found.push(&bytes[at + 8..at + length - 4]);
        }
        at += length;
    }
    found
}

/// Packets received and dropped, of all interface statistics together.
fn statistics(bytes: &[u8]) -> (u64, u64) {
    let mut sum = (0, 0);
    for body in blocks(bytes, 5) {
        let mut options = &body[12..];
        while let [a, b, c, d, rest @ ..] = options {
            let (code, length) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
            let value = rest.first_chunk().map(|value| u64::from_le_bytes(*value));
            match code {
                4 => sum.0 += value.expect("a number"),
                5 => sum.1 += value.expect("a number"),
                _ => {}
            }
            options = &rest[usize::from(length).next_multiple_of(4)..];
        }
    }
    sum
}

fn ping(host: &Host, from: &str, to: &str) {
    let line = ["ping", "-c", "3", "-i", "0.05", "-W", "5", to];
    host.exec(from, &line).ok();
}

const FLOOD: usize = 4000;

/// Datagrams to port 9 of the router, each of 1400 bytes.
fn flood(host: &Host) {
    // The neighbour is known first: what waits for it may be dropped.
    ping(host, "laptop", "192.168.1.1");
    let program = format!(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         for _ in range({FLOOD}): s.sendto(bytes(1400), ('192.168.1.1', 9))"
    );
    host.exec("laptop", &["/usr/bin/python3", "-c", &program])
        .ok();
}

#[test]
fn a_node_is_seen_both_ways_on_each_of_its_links_by_name() {
    let host = nat();
    let file = host.folder.0.join("router.pcapng");
    let running = Capturing::start(&host, &["router", "-w", &file.to_string_lossy()]);
    ping(&host, "laptop", "198.51.100.80");
    let captured = running.stop().ok();
    let fields = [
        "frame.interface_name",
        "frame.packet_flags_direction",
        "icmp.type",
    ];
    // Direction as the node sees it: 1 in, 2 out.
    let direction = |text: &str| match text {
        "1" | "0x00000001" => "in",
        "2" | "0x00000002" => "out",
        _ => "?",
    };
    let seen = tshark(&file, &["-Y", "icmp"], &fields)
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split('\t').collect();
            format!("{} {} {}", words[0], direction(words[1]), words[2])
        })
        .collect();
    let wanted = [
        "router/home in 8",
        "router/home out 0",
        "router/internet in 0",
        "router/internet out 8",
    ];
    assert_eq!(counted(seen), wanted.map(|line| (3, line.to_owned())));
    let about = capinfos(&file);
    for text in [
        "Name = router/home",
        "Description = router on the segment home (192.168.1.0/24)",
        "Tierlab",
        "resolved IPv4 addresses",
    ] {
        assert!(about.contains(text), "`{text}` is missing: {about}");
    }
    let packets = about
        .lines()
        .find_map(|line| line.strip_prefix("Number of packets:"))
        .map(str::trim)
        .expect("a number of packets");
    assert!(
        captured
            .stderr
            .contains(&format!("{packets} packets captured, none lost")),
        "{}",
        captured.stderr
    );
    let received = statistics(&std::fs::read(&file).expect("the file")).0;
    assert_eq!(received.to_string(), packets);
}

#[test]
fn of_the_whole_lab_each_frame_is_seen_once_a_segment() {
    let host = nat();
    let file = host.folder.0.join("all.pcapng");
    let running = Capturing::start(&host, &["-w", &file.to_string_lossy()]);
    ping(&host, "laptop", "198.51.100.80");
    running.stop().ok();
    let seen = tshark(
        &file,
        &["-Y", "icmp"],
        &["frame.interface_name", "icmp.type"],
    );
    let wanted = [
        "laptop/home\t8",
        "router/home\t0",
        "router/internet\t8",
        "web/internet\t0",
    ];
    assert_eq!(counted(seen), wanted.map(|line| (3, line.to_owned())));
    let names = [
        "-N",
        "nN",
        "-o",
        "nameres.network_name:TRUE",
        "-Y",
        "icmp.type==8",
    ];
    let ends = counted(tshark(&file, &names, &["ip.src_host", "ip.dst_host"]));
    assert_eq!(
        ends,
        ["laptop\tweb", "router\tweb"].map(|line| (3, line.to_owned()))
    );
}

#[test]
fn a_segment_a_link_and_a_filter_narrow_it() {
    let host = nat();
    let file = |name: &str| host.folder.0.join(name);
    let start = |name: &str, more: &[&str]| {
        let file = file(name).to_string_lossy().into_owned();
        let mut arguments = vec!["-w", &file];
        arguments.extend(more);
        Capturing::start(&host, &arguments)
    };
    let running = [
        start("segment", &["home"]),
        start("link", &["router:internet", "-f", "icmp"]),
        start(
            "filter",
            &["-f", "icmp and src host laptop and not dst net internet"],
        ),
        start("names", &["-f", "udp port domain and dst host web"]),
    ];
    ping(&host, "laptop", "198.51.100.80");
    ping(&host, "laptop", "192.168.1.30");
    host.dig("laptop", "web.example");
    for capturing in running {
        capturing.stop().ok();
    }
    let links = |name: &str, filter: &str| {
        counted(tshark(
            &file(name),
            &["-Y", filter],
            &["frame.interface_name"],
        ))
    };
    let line = |count: usize, text: &str| (count, text.to_owned());
    let home = [
        line(3, "camera/home"),
        line(6, "laptop/home"),
        line(3, "router/home"),
    ];
    assert_eq!(links("segment", "icmp"), home);
    assert_eq!(links("link", "icmp"), [line(6, "router/internet")]);
    assert_eq!(links("link", "not icmp"), []);
    assert_eq!(links("filter", "frame"), [line(3, "laptop/home")]);
    let asked = [line(1, "laptop/home"), line(1, "router/internet")];
    assert_eq!(links("names", "dns"), asked);
    assert_eq!(links("names", "not dns"), []);
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

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let host = nat();
    let mut running = Capturing::start(&host, &["-w", "-"]);
    let mut head = [0; 8];
    let mut pipe = running.child.stdout.take().expect("its output");
    pipe.read_exact(&mut head)
        .expect("the beginning of the file");
    drop(pipe);
    // Without a single packet.
    let captured = running.end().ok();
    assert!(!captured.stderr.contains("error"), "{}", captured.stderr);
}

#[test]
fn what_a_slow_reader_loses_is_counted_and_shown() {
    let host = nat();
    let arguments = [
        "laptop:home",
        "-f",
        "udp dst port 9",
        "--buffer",
        "1",
        "-w",
        "-",
    ];
    let running = Capturing::start(&host, &arguments);
    // Nobody reads the pipe meanwhile.
    flood(&host);
    let captured = running.stop().ok();
    assert!(captured.stderr.contains(" LOST"), "{}", captured.stderr);
    let packets = blocks(&captured.stdout, 6).len() as u64;
    let (received, dropped) = statistics(&captured.stdout);
    assert!(packets > 100 && dropped > 100, "{packets} {dropped}");
    assert_eq!((packets + dropped, received), (FLOOD as u64, FLOOD as u64));
    assert!(
        captured
            .stderr
            .contains(&format!("{packets} packets captured, {dropped} LOST"))
    );
}

#[test]
fn a_lost_packet_of_several_links_is_told_of_their_ring() {
    let host = nat();
    let running = Capturing::start(&host, &["home", "-f", "udp", "--buffer", "1", "-w", "-"]);
    flood(&host);
    let captured = running.stop().ok();
    let file = host.folder.0.join("lost.pcapng");
    std::fs::write(&file, &captured.stdout).expect("the file");
    let about = capinfos(&file);
    assert!(about.contains("Name = ring"), "{about}");
    let (received, dropped) = statistics(&captured.stdout);
    assert!(dropped > 100);
    assert_eq!(received - dropped, blocks(&captured.stdout, 6).len() as u64);
}

#[test]
fn a_disk_that_is_full_ends_it_with_a_file_that_can_be_read() {
    let host = nat();
    let captured = Capturing::start(&host, &["-w", "/dev/full"]).end();
    assert_eq!(captured.status, Some(3), "{}", captured.stderr);
    assert!(
        captured.stderr.contains("No space left on device"),
        "{}",
        captured.stderr
    );

    let lab = support::binary();
    let line = format!(
        "mkdir small && mount -t tmpfs -o size=256k none small && \
         {} capture -w small/file; echo status $?; capinfos -c small/file",
        lab.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &line]);
    command.current_dir(&host.folder.0).stdin(Stdio::null());
    for (key, value) in host.command(&[]).get_envs() {
        command.env(key, value.expect("a value"));
    }
    let running = Capturing::of(command.stdout(Stdio::piped()));
    flood(&host);
    let captured = running.end();
    let text = captured.text();
    assert!(text.contains("status 3"), "{text}{}", captured.stderr);
    assert!(
        captured.stderr.contains("can't write what was captured"),
        "{}",
        captured.stderr
    );
    assert!(
        !captured.stderr.contains("cut short"),
        "{}",
        captured.stderr
    );
    let packets = text
        .lines()
        .find_map(|line| line.strip_prefix("Number of packets:"))
        .and_then(|number| number.trim().parse::<usize>().ok());
    assert!(packets.is_some_and(|packets| packets > 50), "{text}");
}

#[test]
fn a_node_that_comes_back_is_seen_again_from_its_first_packet() {
    let host = nat();
    let file = host.folder.0.join("laptop.pcapng");
    let running = Capturing::start(&host, &["laptop", "-w", &file.to_string_lossy()]);
    host.lab(&["fault", "kill", "laptop"]).ok();
    host.lab(&["heal"]).ok();
    ping(&host, "laptop", "192.168.1.1");
    running.stop().ok();
    let seen = tshark(
        &file,
        &["-Y", "icmp or arp.opcode==1"],
        &["frame.interface_name", "icmp.type"],
    );
    // Not one is missing: neither the question for the neighbour, nor an echo.
    let echoes = seen.iter().filter(|line| !line.ends_with('\t')).count();
    assert_eq!(echoes, 6, "{seen:?}");
    assert!(
        seen.len() > 6 && seen.iter().all(|line| line.starts_with("laptop/home\t")),
        "{seen:?}"
    );
}

#[test]
fn a_node_that_joins_is_seen_under_its_name() {
    let host = nat();
    let text = std::fs::read_to_string(scenario("nat")).expect("the lab file");
    let more = text.replace(
        "  camera:\n",
        "  guest:\n    on: { home: .40 }\n  camera:\n",
    );
    assert_ne!(text, more);
    let running = Capturing::start(&host, &["home", "-f", "icmp", "-w", "-"]);
    let file = host.folder.write("more.yaml", &more);
    host.lab(&["apply", &file.to_string_lossy()]).ok();
    ping(&host, "guest", "192.168.1.1");
    let captured = running.stop().ok();
    let file = host.folder.0.join("guest.pcapng");
    std::fs::write(&file, &captured.stdout).expect("the file");
    let names = [
        "-N",
        "nN",
        "-o",
        "nameres.network_name:TRUE",
        "-Y",
        "icmp.type==8",
    ];
    let seen = tshark(&file, &names, &["frame.interface_name", "ip.src_host"]);
    assert_eq!(counted(seen), [(3, "guest/home\tguest".to_owned())]);
}

#[test]
fn it_ends_with_the_lab_and_its_file_is_whole() {
    let host = nat();
    let running = Capturing::start(&host, &["-f", "icmp", "-w", "-"]);
    ping(&host, "laptop", "192.168.1.1");
    host.lab(&["down"]).ok();
    let captured = running.end().ok();
    assert!(captured.stderr.contains("went down"), "{}", captured.stderr);
    assert_eq!(blocks(&captured.stdout, 6).len(), 6);
    assert_eq!(statistics(&captured.stdout), (6, 0));
}

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
    let json = start(&["3", "--json", "laptop", "-f", "tcp port 443"]);
    host.sh("laptop", "curl -sS -o /dev/null https://192.168.1.30/ -k")
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
    assert_eq!(objects.len(), 3);
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
fn a_node_talks_to_itself_on_its_loopback() {
    let host = nat();
    let running = Capturing::start(&host, &["laptop:lo", "-f", "icmp"]);
    ping(&host, "laptop", "127.0.0.1");
    let lines = running.stop().ok().text();
    assert_eq!(lines.lines().count(), 6, "{lines}");
    assert!(
        lines.contains("laptop/lo in  127.0.0.1 > 127.0.0.1 ICMP echo request 1"),
        "{lines}"
    );

    // It holds the node's namespace no longer than the node lives.
    let running = Capturing::start(&host, &["laptop:lo"]);
    host.lab(&["fault", "kill", "laptop"]).ok();
    let captured = running.end().ok();
    assert!(
        captured.stderr.contains("is no more"),
        "{}",
        captured.stderr
    );
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
fn only_so_much_of_a_packet_is_taken() {
    let host = nat();
    let running = Capturing::start(
        &host,
        &["laptop", "-f", "icmp", "--snaplen", "60", "-w", "-"],
    );
    ping(&host, "laptop", "192.168.1.1");
    let captured = running.stop().ok();
    let packets = blocks(&captured.stdout, 6);
    assert_eq!(packets.len(), 6);
    for body in packets {
        let word = |at: usize| u32::from_le_bytes(*body[at..].first_chunk().expect("a word"));
        assert_eq!((word(12), word(16)), (60, 98));
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is_like_it() {
    let host = nat();
    for (arguments, said) in [
        (&["rooter"][..], "did you mean `router`?"),
        (&["rooter:home"], "did you mean `router`?"),
        (&[":hoem"], "did you mean `home`?"),
        (&["laptop:internet"], "it has: home, lo"),
        (&["laptop:lo", "web"], "is captured alone"),
        (&["-f", "host wep"], "did you mean `web`?"),
        (&["-f", "tcp prot 80"], "did you mean `port`?"),
        (&["-f", "port 80 and"], "a condition is missing"),
        (&["--key-log", "/nowhere/keys", "-w", "x"], "no folder"),
    ] {
        let all = [&["capture", "--duration", "10s"], arguments].concat();
        host.lab(&all).fails_with(2).complains(said);
    }
    host.lab(&["capture", "-w", "/nowhere/file"])
        .fails_with(3)
        .complains("can't write /nowhere/file");
    assert!(!host.folder.0.join("x").exists());
}

#[test]
fn nothing_of_a_capture_remains_when_the_lab_goes_down() {
    let host = nat();
    let mut running = Capturing::start(&host, &["--buffer", "1", "-w", "-"]);
    // It hangs on a pipe that nobody reads, and holds the fabric's namespace.
    flood(&host);
    host.lab(&["down"]).ok();
    let ended = || running.child.try_wait().expect("a child").is_some();
    until("the capture ends", Duration::from_secs(10), ended);
}
