//! What is captured: of nodes, links, segments, and of what fits a filter.

use nix::sys::signal::Signal;

use crate::running::{Capturing, blocks, capinfos, counted, nat, ping, statistics, tshark};
use crate::support::scenario;

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
fn a_node_that_comes_back_is_seen_again_from_its_first_packet() {
    let host = nat();
    let file = host.folder.0.join("laptop.pcapng");
    let running = Capturing::start(&host, &["laptop", "-w", &file.to_string_lossy()]);
    // It hears of the new interface when all is over.
    running.signal(Signal::SIGSTOP);
    host.lab(&["fault", "kill", "laptop"]).ok();
    host.lab(&["heal"]).ok();
    ping(&host, "laptop", "192.168.1.1");
    running.signal(Signal::SIGCONT);
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
