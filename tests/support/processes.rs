//! Processes below the test, whatever they did to leave: the test is their subreaper.

use std::collections::BTreeMap;

use nix::sys::wait::{WaitPidFlag, waitpid};

/// A process.
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub session: i32,
    pub name: String,
}

/// From now on orphans among our descendants come to us.
pub fn adopt_orphans() {
    nix::sys::prctl::set_child_subreaper(true).expect("prctl");
}

/// Every process of the host that we can see, dead ones apart.
pub fn all() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // pid (name) state parent group session …: the name may hold anything
            // (proc_pid_stat(5)).
            let stat = std::fs::read(entry.path().join("stat")).ok()?;
            let stat = String::from_utf8_lossy(&stat).into_owned();
            let (open, close) = (stat.find('(')?, stat.rfind(')')?);
            let rest: Vec<&str> = stat[close + 1..].split_whitespace().collect();
            let [state, parent, _, session, ..] = rest[..] else {
                return None;
            };
            (state != "Z").then_some(Process {
                pid,
                parent: parent.parse().ok()?,
                session: session.parse().ok()?,
                name: stat[open + 1..close].to_owned(),
            })
        })
        .collect()
}

/// Every process below this one.
pub fn below() -> Vec<Process> {
    let all = all();
    let parents: BTreeMap<i32, i32> = all.iter().map(|one| (one.pid, one.parent)).collect();
    let own = std::process::id() as i32;
    let is_below = |mut pid: i32| {
        while let Some(parent) = parents.get(&pid) {
            if *parent == own {
                return true;
            }
            pid = *parent;
        }
        false
    };
    all.into_iter().filter(|one| is_below(one.pid)).collect()
}

/// Collects dead orphans. Only while no command of ours runs.
pub fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status.pid().is_none() {
            return;
        }
    }
}
