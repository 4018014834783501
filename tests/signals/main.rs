//! Signals, closed terminals and logout while a command is at work: it ends with the status that
//! shells know (128 + the signal's number; 130 for ctrl-C), and nothing is left of what it began.

#[path = "../support/mod.rs"]
mod support;

mod running;
mod up;

use std::fs::OpenOptions;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::processes::{adopt_orphans, below, reap};
use support::{Host, Outcome, links_and_mounts};

const PAIR: &str = "\
lab: pair
segments:
  left: { prefix: 10.1.0.0/24 }
  right: { prefix: 10.2.0.0/24 }
nodes:
  router: { router: true, on: { left: .1, right: .1 } }
  a: { on: { left: .10 } }
  talker: { on: { right: .10 }, run: [sh, -c, 'echo up; exec sleep 100000'] }
";

/// Each interrupt, what the command calls it, and the status it ends with.
const INTERRUPTS: [(Signal, &str, i32); 3] = [
    (Signal::SIGINT, "interrupted", 130),
    (Signal::SIGTERM, "terminated", 143),
    (Signal::SIGHUP, "hung up", 129),
];

/// The tests look at all that is below this process, so one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    adopt_orphans();
    let guard = ALONE.lock();
    guard.unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn pair() -> Host {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", PAIR);
    host.up(&file);
    host
}

fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs")
}

fn send(child: &Child, signal: Signal) {
    // It was not waited for, so the number is its own.
    kill(Pid::from_raw(child.id() as i32), signal).expect("kill");
}

#[track_caller]
fn nothing_is_left_of(host: &Host, lab: &str, before: &str) {
    reap();
    let left: Vec<_> = below().into_iter().map(|one| one.name).collect();
    assert!(left.is_empty(), "left: {left:?}");
    assert_eq!(links_and_mounts(), before);
    let run = host.folder.0.join("run/tierlab");
    assert!(
        !run.join(format!("{lab}.sock")).exists(),
        "the socket is left"
    );
}

/// Whether the lab's first process was written down.
fn is_born(host: &Host, lab: &str) -> bool {
    let lock = host.folder.0.join(format!("run/tierlab/{lab}.lock"));
    std::fs::read_to_string(lock).is_ok_and(|text| !text.is_empty())
}

#[track_caller]
fn says_once(outcome: &Outcome, line: &str) {
    let count = outcome.stderr.lines().filter(|said| *said == line).count();
    assert_eq!(count, 1, "`{line}`: {outcome}");
    assert_eq!(outcome.stderr.lines().last(), Some(line), "{outcome}");
    assert!(!outcome.stderr.contains("error"), "{outcome}");
}

/// Holds the lock of the lab `pair` with this text in it, as a lab of that name would.
fn hold_lock(host: &Host, text: &str) -> std::fs::File {
    let folder = host.folder.0.join("run/tierlab");
    std::fs::create_dir_all(&folder).expect("the folder can be written");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("ours");
    let path = folder.join("pair.lock");
    std::fs::write(&path, text).expect("the runtime folder can be written");
    let lock = OpenOptions::new().write(true).open(path).expect("the lock");
    lock.lock().expect("nobody else holds it");
    lock
}
