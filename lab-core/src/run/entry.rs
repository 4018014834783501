//! The way into the lab: a child of the launcher enters the namespaces and forks the first process.

use std::io;
use std::os::fd::AsFd;

use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, Uid};
use serde::{Deserialize, Serialize};

use super::control::Refusal;
use super::interrupts::{Interrupts, NotUp};
use super::launcher::{forbidden, no_resources};
use super::zygote::{self, Birth};
use crate::kernel::channel::Channel;
use crate::kernel::identity::Identity;
use crate::kernel::process::{self, Fork};

/// The child that enters the namespaces ↔ the launcher.
#[derive(Debug, Serialize, Deserialize)]
enum Step {
    /// In a new user namespace, waiting for its maps.
    Entered,
    /// The maps are written.
    Mapped,
    /// The first process lives: its number as the launcher sees it.
    Born(i32),
    /// A call was refused.
    Refused { what: String, error: String },
}

/// Forks the lab's first process in namespaces of its own; gives its id as the host sees it.
///
/// # Errors
/// The host forbids a part of it, the child was killed, or an interrupt came. What was forked then
/// is dead, or ends because the launcher's end of its channel closes.
pub(super) fn be_born(
    identity: &Identity,
    birth: Birth,
    launcher: &Channel,
    interrupts: &Interrupts,
) -> Result<i32, NotUp> {
    let (ours, theirs) = Channel::pair().map_err(no_resources)?;
    let child = match process::fork(CloneFlags::empty()).map_err(no_resources)? {
        Fork::Child => {
            drop(ours);
            // Our copy of the launcher's end must not keep the channel open.
            let _ = nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(launcher));
            enter(identity, birth, &theirs)
        }
        Fork::Parent(pid) => pid,
    };
    drop(theirs);
    drop(birth);
    let first = converse(identity, child, &ours, interrupts);
    if interrupts.hurries() {
        return first;
    }
    // A child that waits for its maps reads the end.
    drop(ours);
    match (first, waitpid(child, None)) {
        // Whatever went wrong between us, this is why.
        (Err(_), Ok(WaitStatus::Signaled(_, signal, _))) => Err(killed(&format!(
            "the process that enters the lab's namespaces was killed by {signal}"
        ))),
        (first, _) => first,
    }
}

fn converse(
    identity: &Identity,
    child: Pid,
    channel: &Channel,
    interrupts: &Interrupts,
) -> Result<i32, NotUp> {
    loop {
        if let Err(why) = interrupts.wait(channel.as_fd()) {
            // If the first process was born already, it says so all the same.
            let _ = kill(child, Signal::SIGKILL);
            if interrupts.hurries() {
                return Err(why);
            }
            continue;
        }
        match channel.receive::<Step>() {
            Ok(Some((Step::Entered, _))) => {
                identity
                    .apply(child)
                    .map_err(|error| forbidden("mapping users", &error.to_string()))?;
                channel.send(&Step::Mapped, &[]).map_err(no_resources)?;
            }
            Ok(Some((Step::Born(first), _))) => return Ok(first),
            Ok(Some((Step::Refused { what, error }, _))) => {
                return Err(forbidden(&what, &error).into());
            }
            Ok(Some((Step::Mapped, _))) => {}
            Ok(None) => return Err(killed("the lab's first process was killed as it started")),
            Err(error) => return Err(no_resources(error).into()),
        }
    }
}

fn killed(message: &str) -> NotUp {
    NotUp::Refused(Refusal {
        message: message.into(),
        help: Some(
            "nothing of the lab is left: try again; if it was none of you, the kernel's log \
             (`dmesg`) tells whether memory ran out"
                .into(),
        ),
        code: 3,
    })
}

/// The child: a new user namespace, its maps, then all the others and the first process in them.
fn enter(identity: &Identity, birth: Birth, launcher: &Channel) -> ! {
    let refuse = |what: &str, error: &dyn std::fmt::Display| -> ! {
        let step = Step::Refused {
            what: what.into(),
            error: error.to_string(),
        };
        let _ = launcher.send(&step, &[]);
        process::exit_now(3)
    };
    if let Err(error) = process::unshare(CloneFlags::CLONE_NEWUSER) {
        refuse("a user namespace", &error);
    }
    let mapped = launcher
        .send(&Step::Entered, &[])
        .and_then(|()| launcher.receive::<Step>());
    if !matches!(mapped, Ok(Some((Step::Mapped, _)))) {
        process::exit_now(3);
    }
    if let Err(error) = become_root(identity) {
        refuse("becoming root of the lab", &error);
    }
    let flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    if let Err(error) = process::unshare(flags) {
        refuse(
            "process, mount, network, host name and IPC namespaces",
            &error,
        );
    }
    match process::fork(CloneFlags::empty()) {
        Ok(Fork::Child) => {
            // It says so itself: its parent may be killed before it can. Without a launcher there
            // is nobody to live for.
            let said = host_number().and_then(|first| launcher.send(&Step::Born(first), &[]));
            if said.is_err() {
                process::exit_now(3);
            }
            let _ = nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(launcher));
            zygote::run(birth)
        }
        Ok(Fork::Parent(_)) => process::exit_now(0),
        Err(error) => refuse("forking", &error),
    }
}

/// The number of this process as the launcher sees it: /proc still is the launcher's, and names its
/// reader by the numbers of where it was mounted.
fn host_number() -> io::Result<i32> {
    let name = std::fs::read_link("/proc/self")?;
    let number = name.to_str().and_then(|name| name.parse().ok());
    number.ok_or_else(|| io::Error::other("/proc is not that of this process"))
}

fn become_root(identity: &Identity) -> io::Result<()> {
    use nix::unistd::{Gid, setgroups, setresgid, setresuid};
    match setgroups(&[]) {
        // Who may map one id only, may not change groups either.
        Err(nix::errno::Errno::EPERM) if !identity.has_other_users() => {}
        result => result?,
    }
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0))?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))?;
    // Changing ids made /proc/self root's; the next forks read it.
    process::set_dumpable()
}
