//! How a capture ends, and what it loses on the way.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::running::{Capturing, FLOOD, blocks, capinfos, flood, nat, ping, statistics};
use crate::support;
use crate::support::until;

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let host = nat();
    // No packet ever fits: it must see by itself that the reader is gone.
    let mut running = Capturing::start(&host, &["-f", "ether proto 0x9999", "-w", "-"]);
    let mut head = [0; 8];
    let mut pipe = running.child.stdout.take().expect("its output");
    pipe.read_exact(&mut head)
        .expect("the beginning of the file");
    drop(pipe);
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
fn nothing_of_a_capture_remains_when_the_lab_goes_down() {
    let host = nat();
    let mut running = Capturing::start(&host, &["--buffer", "1", "-w", "-"]);
    // It hangs on a pipe that nobody reads, and holds the fabric's namespace.
    flood(&host);
    host.lab(&["down"]).ok();
    let ended = || running.child.try_wait().expect("a child").is_some();
    until("the capture ends", Duration::from_secs(10), ended);
}
