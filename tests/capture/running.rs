//! Captures that run, and programs that read what they write.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Host, scenario};

pub fn nat() -> Host {
    let host = Host::new();
    host.up(&scenario("nat"));
    host
}

/// A `lab capture` that runs. Its end is waited for; what it would print is read then.
pub struct Capturing {
    pub child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

pub struct Captured {
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Capturing {
    /// Starts one and waits until it captures.
    #[track_caller]
    pub fn start(host: &Host, arguments: &[&str]) -> Self {
        let mut all = vec!["capture"];
        all.extend(arguments);
        Self::of(host.command(&all).stdout(Stdio::piped()))
    }

    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
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
    pub fn stop(self) -> Captured {
        self.signal(Signal::SIGINT);
        self.end()
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it runs");
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn end(mut self) -> Captured {
        let pipe = self.child.stdout.take();
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut bytes).expect("its output");
            }
            bytes
        });
        let limit = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().expect("a child").is_none() {
            if Instant::now() > limit {
                self.child.kill().expect("it runs");
                panic!("it does not end: {}", self.said);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stderr.read_to_string(&mut self.said).expect("text");
        Captured {
            status: self.child.wait().expect("it ended").code(),
            stdout: reading.join().expect("its output"),
            stderr: self.said,
        }
    }
}

impl Captured {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Fields of the packets of a file that tshark's filter fits, a line each.
#[track_caller]
pub fn tshark(file: &Path, more: &[&str], fields: &[&str]) -> Vec<String> {
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
pub fn capinfos(file: &Path) -> String {
    let output = Command::new("capinfos")
        .arg(file)
        .output()
        .expect("capinfos");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How often each line comes.
pub fn counted(mut lines: Vec<String>) -> Vec<(usize, String)> {
    lines.sort();
    let parts = lines.chunk_by(|a, b| a == b);
    parts.map(|same| (same.len(), same[0].clone())).collect()
}

/// Blocks of a type in a pcapng file: their bodies.
pub fn blocks(bytes: &[u8], kind: u32) -> Vec<&[u8]> {
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
pub fn statistics(bytes: &[u8]) -> (u64, u64) {
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

pub fn ping(host: &Host, from: &str, to: &str) {
    let line = ["ping", "-c", "3", "-i", "0.05", "-W", "5", to];
    host.exec(from, &line).ok();
}

pub const FLOOD: usize = 4000;

/// Datagrams to port 9 of the router, each of 1400 bytes.
pub fn flood(host: &Host) {
    // The neighbour is known first: what waits for it may be dropped.
    ping(host, "laptop", "192.168.1.1");
    let program = format!(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         for _ in range({FLOOD}): s.sendto(bytes(1400), ('192.168.1.1', 9))"
    );
    host.exec("laptop", &["/usr/bin/python3", "-c", &program])
        .ok();
}
