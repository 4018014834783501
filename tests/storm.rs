//! The kill storm: while a command is at work, `kill -9` takes a random process of the lab or the
//! command itself at a random moment. Afterwards the lab is up and healthy by its rules, or nothing
//! is left of it, and the next `up` works at once.
//!
//! `TIERLAB_STORM` says how many kills (150), `TIERLAB_SEED` repeats a storm.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
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

/// A process below this one.
struct Process {
    pid: i32,
    name: String,
}

/// Every process below this one, dead ones apart. Orphans come to us, whatever they did: this
/// process is their subreaper.
fn below() -> Vec<Process> {
    let mut parents: BTreeMap<i32, (i32, String)> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // pid (name) state parent …: the name may hold anything (proc_pid_stat(5)).
        let Ok(stat) = std::fs::read(entry.path().join("stat")) else {
            continue;
        };
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else {
            continue;
        };
        let mut rest = stat[close + 1..].split_whitespace();
        let (state, parent) = (rest.next(), rest.next());
        if let (Some(state), Some(Ok(parent))) = (state, parent.map(str::parse))
            && state != "Z"
        {
            parents.insert(pid, (parent, stat[open + 1..close].to_owned()));
        }
    }
    let own = std::process::id() as i32;
    let is_below = |mut pid: i32| {
        while let Some((parent, _)) = parents.get(&pid) {
            if *parent == own {
                return true;
            }
            pid = *parent;
        }
        false
    };
    parents
        .iter()
        .filter(|(pid, _)| is_below(**pid))
        .map(|(pid, (_, name))| Process {
            pid: *pid,
            name: name.clone(),
        })
        .collect()
}

/// Collects dead orphans. Only while no command of ours runs.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status.pid().is_none() {
            return;
        }
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

    fn start(&self, verb: &[&str]) -> Child {
        self.host
            .command(verb)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary under test runs")
    }

    fn one(&mut self, number: u64) {
        let file = self.file.to_string_lossy().into_owned();
        let other = self.other.to_string_lossy().into_owned();
        let verbs: [&[&str]; 7] = [
            &["up", &file],
            &["up", &file],
            &["apply", &other],
            &["exec", "client", "--", "sh", "-c", "sleep 0.05; exec true"],
            &["fault", "kill", "web1"],
            &["fault", "link", "client", "left"],
            &["down", "storm"],
        ];
        let verb = *self.dice.pick(&verbs);
        if verb[0] == "up" {
            self.host.lab(&["down", "--all"]).ok();
            self.nothing_is_left("after down");
        } else if !self.is_up() {
            self.host.up(&self.file);
        }
        let mut command = self.start(verb);
        // The random moment that this is about.
        let moment =
            Duration::from_micros(
                self.dice
                    .below(if verb[0] == "up" { 400_000 } else { 40_000 }),
            );
        std::thread::sleep(moment);
        let all = below();
        let what = if all.is_empty() {
            format!("kill {number}: {} was done", verb[0])
        } else {
            let victim = self.dice.pick(&all);
            let what = format!(
                "kill {number}: {} after {moment:?}, of {} processes {} ({})",
                verb.join(" "),
                all.len(),
                victim.name,
                victim.pid
            );
            let who = if victim.pid == command.id() as i32 {
                "the command".to_owned()
            } else {
                victim.name.clone()
            };
            // Of an ordinary user's lab, processes of its other users may not be killed.
            if kill(Pid::from_raw(victim.pid), Signal::SIGKILL).is_ok() {
                *self
                    .tally
                    .entry(format!("{} while {}", who, verb[0]))
                    .or_default() += 1;
            }
            what
        };
        let end = Instant::now() + Duration::from_secs(60);
        while command.try_wait().expect("wait").is_none() {
            assert!(Instant::now() < end, "{what}: the command hangs");
            std::thread::sleep(Duration::from_millis(1));
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
        self.host.lab(&["apply", &file]).ok();
    }
}

#[test]
fn whatever_is_killed_nothing_is_left() {
    nix::sys::prctl::set_child_subreaper(true).expect("prctl");
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
    println!("{kills} kills, nothing left:");
    for (what, count) in &storm.tally {
        println!("{count:6}  {what}");
    }
}
