//! The kill storm: while a command is at work, `kill -9` takes a random process of the lab or the
//! command itself at a random moment, or the command gets a signal, its terminal is closed, its
//! session is killed. Afterwards the lab is up and healthy by its rules, or nothing is left of it,
//! and the next `up` works at once.
//!
//! `TIERLAB_STORM` says how many strikes (150), `TIERLAB_SEED` repeats a storm.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::processes::{adopt_orphans, all, below, reap};
use support::terminal::Terminal;
use support::{Host, links_and_mounts, until};

const LAB: &str = "\
lab: storm
domain: example
resolvers: [names]
segments:
  left: { prefix: 10.1.0.0/24 }
  right: { prefix: 10.2.0.0/24 }
nodes:
  router: { router: true, on: { left: .1, right: .1 }, acl: forward }
  names: { on: { left: .10 }, service: dns }
  client: { on: { left: .20 } }
  lb: { on: { right: .5 }, service: balancer }
  web: { count: 2, on: { right: .10 }, service: { tier-web: { names: [site.example] } } }
  talker: { on: { left: .30 }, run: [sh, -c, 'echo up; exec sleep 100000'] }
acls:
  forward:
    - { id: A1, permit: tcp/443, to: right }
    - { id: A2, permit: icmp }
    - { id: A3, permit: [tcp/53, udp/53] }
    - { id: A9, drop: any }
balancers:
  site: { on: lb, vip: 10.2.0.100, layer: 4, ports: tcp/443, members: web }
dns:
  views: { all: { server: names, clients: any } }
  zones: [{ zone: example, view: all, records: { site: site } }]
";

/// xorshift64*: enough to pick victims, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

struct Storm {
    host: Host,
    file: PathBuf,
    other: PathBuf,
    before: String,
    dice: Dice,
    tally: BTreeMap<String, u32>,
}

impl Storm {
    fn is_up(&self) -> bool {
        self.host.lab(&["status"]).status == 0
    }

    /// Nothing is left but the lock and the state folder.
    fn nothing_is_left(&self, what: &str) {
        until(
            &format!("{what}: its processes end"),
            Duration::from_secs(30),
            || {
                reap();
                below().is_empty()
            },
        );
        assert_eq!(
            links_and_mounts(),
            self.before,
            "{what}: links or mounts are left"
        );
    }

    /// All that shall run is healthy.
    fn is_healthy(&self, what: &str) {
        let mut last = String::new();
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let outcome = self.host.lab(&["status", "--json"]);
            let status: serde_json::Value = serde_json::from_str(&outcome.stdout)
                .unwrap_or_else(|error| panic!("{what}: {error}: {outcome}"));
            let nodes = status["nodes"].as_object().expect("nodes");
            let sick: Vec<&str> = nodes
                .iter()
                .filter(|(_, node)| {
                    node["running"] != true
                        || node["processes"].as_object().is_some_and(|processes| {
                            processes.values().any(|one| one["state"] != "healthy")
                        })
                })
                .map(|(name, _)| name.as_str())
                .collect();
            if sick.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "{what}: {sick:?} stay sick: {last}");
            last = outcome.stdout;
        }
    }

    fn start(&self, verb: &[&str], at_terminal: bool) -> (Option<Terminal>, Child) {
        let mut command = self.host.command(verb);
        if at_terminal {
            let (terminal, child) = Terminal::start(&command);
            return (Some(terminal), child);
        }
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary under test runs");
        (None, child)
    }

    /// Strikes; gives who was struck and how, and whether that was the command.
    fn strike(
        &mut self,
        strike: &Strike,
        command: &Child,
        terminal: &mut Option<Terminal>,
    ) -> (String, bool) {
        let own = Pid::from_raw(command.id() as i32);
        match *strike {
            Strike::Kill => {
                let all = below();
                if all.is_empty() {
                    return ("came too late".into(), false);
                }
                let victim = self.dice.pick(&all);
                // Of an ordinary user's lab, processes of its other users may not be killed.
                if kill(Pid::from_raw(victim.pid), Signal::SIGKILL).is_err() {
                    return (format!("may not kill {}", victim.name), false);
                }
                if victim.pid == own.as_raw() {
                    return ("SIGKILL to the command".into(), true);
                }
                (format!("SIGKILL to {}", victim.name), false)
            }
            Strike::Signal(signal) => {
                let _ = kill(own, signal);
                (format!("{signal} to the command"), true)
            }
            Strike::Twice(signal) => {
                let _ = kill(own, signal);
                std::thread::sleep(Duration::from_micros(self.dice.below(5_000)));
                let _ = kill(own, signal);
                (format!("{signal} twice to the command"), true)
            }
            Strike::Close => {
                if let Some(mut terminal) = terminal.take() {
                    terminal.close();
                }
                ("its terminal is closed".into(), true)
            }
            Strike::LogOut => {
                for one in all().iter().filter(|one| one.session == own.as_raw()) {
                    let _ = kill(Pid::from_raw(one.pid), Signal::SIGKILL);
                }
                ("logout".into(), true)
            }
        }
    }

    fn one(&mut self, number: u64) {
        let file = self.file.to_string_lossy().into_owned();
        let other = self.other.to_string_lossy().into_owned();
        let verbs: [&[&str]; 11] = [
            &["up", &file],
            &["up", &file],
            &["up", &file],
            &["apply", &other],
            &["exec", "client", "--", "sh", "-c", "sleep 0.05; exec true"],
            &["exec", "client", "--", "sleep", "1000"],
            &["shell", "client"],
            &["logs", "-f"],
            &["fault", "kill", "web1"],
            &["fault", "link", "client", "left"],
            &["down", "storm"],
        ];
        let verb = *self.dice.pick(&verbs);
        // Half of all strikes are kill -9 of whatever lives.
        let strike = match self.dice.below(12) {
            0 => Strike::Signal(Signal::SIGTERM),
            1 => Strike::Signal(Signal::SIGINT),
            2 => Strike::Twice(Signal::SIGINT),
            3 => Strike::Signal(Signal::SIGHUP),
            4 => Strike::Close,
            5 => Strike::LogOut,
            _ => Strike::Kill,
        };
        if verb[0] == "up" {
            self.host.lab(&["down", "--all"]).ok();
            self.nothing_is_left("after down");
        } else if !self.is_up() {
            self.host.up(&self.file);
        }
        let at_terminal = matches!(strike, Strike::Close | Strike::LogOut)
            || verb[0] == "shell"
            || self.dice.below(3) == 0;
        let (mut terminal, mut command) = self.start(verb, at_terminal);
        // The random moment that this is about.
        let longest = if verb[0] == "up" { 400_000 } else { 40_000 };
        let moment = Duration::from_micros(self.dice.below(longest));
        std::thread::sleep(moment);
        let (how, command_struck) = self.strike(&strike, &command, &mut terminal);
        let what = format!(
            "strike {number}: {how}, {moment:?} after {}",
            verb.join(" ")
        );
        *self
            .tally
            .entry(format!("{how} while {}", verb[0]))
            .or_default() += 1;
        let endless = matches!(verb[..], ["shell", ..] | ["logs", ..] | [.., "1000"]);
        if endless && !command_struck {
            // It may have ended all the same, with the lab.
            let _ = kill(Pid::from_raw(command.id() as i32), Signal::SIGTERM);
        }
        let end = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = command.try_wait().expect("wait") {
                break status;
            }
            assert!(Instant::now() < end, "{what}: the command hangs");
            std::thread::sleep(Duration::from_millis(1));
        };
        drop(terminal);
        if let Strike::Signal(signal) | Strike::Twice(signal) = strike {
            use std::os::unix::process::ExitStatusExt;
            let interrupted = 128 + signal as i32;
            // The signal itself ends a command that has hardly begun.
            let status = status.code().or_else(|| Some(128 + status.signal()?));
            let allowed = status == Some(interrupted) || status == Some(0) && !endless;
            assert!(allowed, "{what}: it ended with {status:?}");
            if verb[0] == "up" && status == Some(interrupted) {
                if !matches!(strike, Strike::Twice(_)) {
                    reap();
                    let left: Vec<_> = below().into_iter().map(|one| one.name).collect();
                    assert!(left.is_empty(), "{what}: left {left:?}");
                }
                self.nothing_is_left(&what);
            }
        }
        // It may be dying still: a lab that lives answers.
        let end = Instant::now() + Duration::from_secs(60);
        let up = loop {
            match self.host.lab(&["status"]).status {
                0 => break true,
                2 => break false,
                _ => assert!(Instant::now() < end, "{what}: neither up nor down"),
            }
        };
        if up {
            self.host.lab(&["heal"]).ok();
            self.is_healthy(&what);
        } else {
            self.nothing_is_left(&what);
            self.host.up(&self.file);
            self.is_healthy(&what);
        }
        if verb[0] == "exec" || verb[0] == "shell" {
            until(
                &format!("{what}: its program ends"),
                Duration::from_secs(10),
                || self.host.sh("client", "pgrep -x sleep").status == 1,
            );
        }
        self.host.lab(&["apply", &file]).ok();
    }
}

/// What happens while a command is at work.
enum Strike {
    /// `kill -9` to a random process.
    Kill,
    /// A signal to the command.
    Signal(Signal),
    /// The same signal twice, shortly after each other.
    Twice(Signal),
    /// Its terminal is closed.
    Close,
    /// All of its session is killed.
    LogOut,
}

#[test]
fn whatever_is_struck_nothing_is_left() {
    adopt_orphans();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("TIERLAB_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.expect("a clock").as_micros() as u64
    });
    println!("TIERLAB_SEED={seed}");
    let host = Host::new();
    let file = host.folder.write("lab.yaml", LAB);
    let other = LAB.replace("  client: ", "  guest: { on: left }\n  client: ");
    let other = host.folder.write("other.yaml", &other);
    let mut storm = Storm {
        host,
        file,
        other,
        before: links_and_mounts(),
        dice: Dice(seed | 1),
        tally: BTreeMap::new(),
    };
    let kills = number("TIERLAB_STORM").unwrap_or(150);
    for number in 0..kills {
        storm.one(number);
    }
    storm.host.lab(&["down", "--all"]).ok();
    storm.nothing_is_left("at the end");
    let runtime = storm.host.folder.0.join("run/tierlab");
    let left: Vec<_> = std::fs::read_dir(runtime)
        .expect("the runtime folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["storm.lock"]);
    println!("{kills} strikes, nothing left:");
    for (what, count) in &storm.tally {
        println!("{count:6}  {what}");
    }
}
