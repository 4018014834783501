//! Members that are killed and come back, one at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::processes::all;
use crate::support::{Host, until};

/// Neighbours in this list are of different pools: while one comes back, the other's pool is whole.
const VICTIMS: [&str; 18] = [
    "sp-fe1",
    "cas1",
    "lync-fe1",
    "sp-search1",
    "mbx1",
    "sp-sql1",
    "lync-be1",
    "wac1",
    "sp-batch1",
    "sp-fe2",
    "cas2",
    "lync-fe2",
    "sp-search2",
    "mbx2",
    "sp-sql2",
    "lync-be2",
    "wac2",
    "sp-fe3",
];

/// From when a member was killed until it had left its pools, or was back, in seconds since the
/// epoch.
#[derive(Debug)]
pub struct Window {
    pub victim: &'static str,
    #[allow(dead_code, reason = "for the report of what was lost")]
    how: &'static str,
    pub killed: f64,
    pub left: f64,
}

/// Kills members in turn.
#[derive(Default)]
pub struct Killer {
    next: usize,
    tally: BTreeMap<(&'static str, &'static str), u32>,
    windows: Vec<Window>,
}

impl Killer {
    /// Kills the next member and brings it back: in turn by a fault that is healed, and by `kill -9`
    /// of its first process on the host, after which it comes back by itself.
    pub fn strike(&mut self, host: &Host) {
        let victim = VICTIMS[self.next % VICTIMS.len()];
        // Each of them meets both in turn, as there is an even number of them.
        let by_fault = (self.next + self.next / VICTIMS.len()).is_multiple_of(2);
        self.next += 1;
        let killed = now();
        let mut left = None;
        if by_fault {
            host.lab(&["fault", "kill", victim]).ok();
            until(&format!("{victim} leaves"), Duration::from_secs(10), || {
                pool_states(host, victim)
                    .iter()
                    .all(|state| state == "down")
            });
            left = Some(now());
            host.lab(&["heal", "kill", victim]).ok();
        } else {
            let restarts = host.status()["nodes"][victim]["restarts"].as_u64();
            let pid = first_process(host, victim);
            kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kill");
            until(
                &format!("{victim} is started again"),
                Duration::from_secs(20),
                || {
                    let node = &host.status()["nodes"][victim];
                    node["restarts"].as_u64() > restarts && node["running"] == true
                },
            );
        }
        until(
            &format!("{victim} is back"),
            Duration::from_secs(30),
            || {
                let node = &host.status()["nodes"][victim];
                let processes = node["processes"].as_object().expect("processes");
                processes.values().all(|one| one["state"] == "healthy")
                    && pool_states(host, victim)
                        .iter()
                        .all(|state| state == "healthy")
            },
        );
        let left = left.unwrap_or_else(now);
        let how = if by_fault {
            "fault and heal"
        } else {
            "kill -9"
        };
        let group = victim.trim_end_matches(|c: char| c.is_ascii_digit());
        *self.tally.entry((group, how)).or_default() += 1;
        self.windows.push(Window {
            victim,
            how,
            killed,
            left,
        });
    }

    pub fn strikes(&self) -> usize {
        self.next
    }

    pub fn windows(&self) -> &[Window] {
        &self.windows
    }
}

impl fmt::Display for Killer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((group, how), count) in &self.tally {
            writeln!(f, "{count:6}  {group}: {how}")?;
        }
        Ok(())
    }
}

fn pool_states(host: &Host, member: &str) -> Vec<String> {
    let status = host.status();
    let pools = status["pools"].as_object().cloned().unwrap_or_default();
    pools
        .values()
        .filter_map(|pool| pool[member].as_str().map(str::to_owned))
        .collect()
}

/// The first process of a node, as the host sees it: a child of the lab's first process.
fn first_process(host: &Host, node: &str) -> i32 {
    let lock = host.folder.0.join("run/tierlab/contoso.lock");
    let lab = std::fs::read_to_string(lock).expect("the lock");
    let lab: i32 = lab.trim().parse().expect("its first process");
    let found = all()
        .into_iter()
        .find(|one| one.parent == lab && one.name == node);
    found.unwrap_or_else(|| panic!("{node} does not live")).pid
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs_f64()
}
