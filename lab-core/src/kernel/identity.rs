//! Users and groups of a lab: which of the host's ids stand for which of the lab's.

use std::io;
use std::process::Command;

use nix::unistd::{Gid, Pid, Uid};

/// First host id that a lab started by root uses, where /etc/subuid gives root none.
/// Above what distributions, systemd and container tools hand out.
const ROOTS_FIRST_ID: u32 = 0x7000_0000;
/// Ids of a full lab.
const FULL: u32 = 65_536;

/// How ids are mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Started by root: lab ids 0 to `count`-1 are the host's from `first` on. Root of the lab is
    /// never root of the host.
    Shifted {
        /// First host id.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Started by a user with ids in /etc/subuid: lab id 0 is the user, the others are those ids.
    Subordinate {
        /// First subordinate user id and how many.
        users: (u32, u32),
        /// First subordinate group id and how many.
        groups: (u32, u32),
    },
    /// Started by a user without: lab id 0 is the user, there are no others.
    Single,
}

impl Identity {
    /// What this host gives the caller.
    pub fn of_caller() -> Self {
        let uid = Uid::effective();
        if uid.is_root() {
            return Self::of_root();
        }
        let name = nix::unistd::User::from_uid(uid)
            .ok()
            .flatten()
            .map(|user| user.name);
        let users = subordinate("/etc/subuid", name.as_deref(), uid.as_raw());
        let groups = subordinate("/etc/subgid", name.as_deref(), uid.as_raw());
        match (users, groups) {
            (Some(users), Some(groups))
                if find_program("newuidmap") && find_program("newgidmap") =>
            {
                Self::Subordinate { users, groups }
            }
            _ => Self::Single,
        }
    }

    fn of_root() -> Self {
        let first = subordinate("/etc/subuid", Some("root"), 0)
            .filter(|(_, count)| *count >= FULL)
            .map_or(ROOTS_FIRST_ID, |(first, _)| first);
        let (highest, first_free) = host_ids();
        if u64::from(first) + u64::from(FULL) <= u64::from(highest) {
            return Self::Shifted { first, count: FULL };
        }
        // A container with few ids: take the upper half of them, away from those in use.
        let count = highest.saturating_sub(first_free).min(FULL) / 2;
        if count == 0 {
            Self::Shifted {
                first: 65_534.min(highest - 1),
                count: 1,
            }
        } else {
            Self::Shifted {
                first: highest - count,
                count,
            }
        }
    }

    /// The host user that is root of the lab.
    pub fn root_user(&self) -> u32 {
        match self {
            Self::Shifted { first, .. } => *first,
            Self::Subordinate { .. } | Self::Single => Uid::effective().as_raw(),
        }
    }

    /// Whether programs in the lab can change to another user.
    pub fn has_other_users(&self) -> bool {
        !matches!(self, Self::Single | Self::Shifted { count: 1, .. })
    }

    /// Writes the maps of a process that just entered a new user namespace.
    ///
    /// # Errors
    /// The kernel or newuidmap refuses; the error says which file or program and what it said.
    pub fn apply(&self, pid: Pid) -> io::Result<()> {
        let write = |file: &str, text: String| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::write(&path, text)
                .map_err(|error| io::Error::new(error.kind(), format!("writing {path}: {error}")))
        };
        match self {
            Self::Shifted { first, count } => {
                write("gid_map", format!("0 {first} {count}\n"))?;
                write("uid_map", format!("0 {first} {count}\n"))
            }
            Self::Single => {
                write("setgroups", "deny\n".into())?;
                write("gid_map", format!("0 {} 1\n", Gid::effective()))?;
                write("uid_map", format!("0 {} 1\n", Uid::effective()))
            }
            Self::Subordinate { users, groups } => {
                map_by_program("newuidmap", pid, Uid::effective().as_raw(), *users)?;
                map_by_program("newgidmap", pid, Gid::effective().as_raw(), *groups)
            }
        }
    }
}

fn not_run(program: &str, error: &io::Error) -> io::Error {
    let limit = match error.kind() {
        io::ErrorKind::WouldBlock => ": `ulimit -u` allows no more processes",
        _ => "",
    };
    io::Error::new(error.kind(), format!("running {program}: {error}{limit}"))
}

fn map_by_program(program: &str, pid: Pid, own: u32, (first, count): (u32, u32)) -> io::Result<()> {
    let output = Command::new(program)
        .args([pid.to_string(), "0".into(), own.to_string(), "1".into()])
        .args(["1".to_string(), first.to_string(), count.to_string()])
        .output()
        .map_err(|error| not_run(program, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{program} refused: {}",
        said.trim()
    )))
}

/// The first range of a user in a file of `name:first:count` lines.
fn subordinate(file: &str, name: Option<&str>, id: u32) -> Option<(u32, u32)> {
    let text = std::fs::read_to_string(file).ok()?;
    subordinate_in(&text, name, id)
}

fn subordinate_in(text: &str, name: Option<&str>, id: u32) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if Some(owner) != name && owner != id.to_string() {
            return None;
        }
        let first = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        Some((first, count))
    })
}

/// One above the highest id of this user namespace, and the first that no account uses.
fn host_ids() -> (u32, u32) {
    let highest = std::fs::read_to_string("/proc/self/uid_map")
        .ok()
        .and_then(|text| {
            text.lines()
                .filter_map(|line| {
                    let mut fields = line.split_whitespace();
                    let first: u64 = fields.next()?.parse().ok()?;
                    let count: u64 = fields.nth(1)?.parse().ok()?;
                    Some(first + count)
                })
                .max()
        })
        .unwrap_or(u64::from(u32::MAX));
    (u32::try_from(highest).unwrap_or(u32::MAX), 10_000)
}

fn find_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_subordinate_ids_are_found_by_name_and_by_number() {
        let text = "root:1:2\nalice:100000:65536\n1001:165536:65536\n";
        assert_eq!(
            subordinate_in(text, Some("alice"), 1000),
            Some((100_000, 65_536))
        );
        assert_eq!(
            subordinate_in(text, Some("bob"), 1001),
            Some((165_536, 65_536))
        );
        assert_eq!(subordinate_in(text, Some("carol"), 1002), None);
        assert_eq!(subordinate_in("alice:x:y\n", Some("alice"), 1000), None);
    }
}
