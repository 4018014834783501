//! The first process of a lab: single-threaded, forks the keeper and the nodes, reaps, and ends
//! when the keeper ends. The kernel then ends everything else.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::control::Refusal;
use super::messages::{FromZygote, ToLauncher, ToZygote};
use super::node::Inheritance;
use super::{keeper, launcher, node, stores, template};
use crate::kernel::channel::Channel;
use crate::kernel::interrupt;
use crate::kernel::process::{self, Fork};
use crate::plan::Plan;
use crate::service::Catalogue;

/// What the first process is born with.
pub(super) struct Birth {
    /// What to build.
    pub plan: Plan,
    /// Services.
    pub catalogue: Catalogue,
    /// Programs can change to other users.
    pub other_users: bool,
    /// A cgroup for the nodes, where the host delegated one.
    pub cgroup: Option<OwnedFd>,
    /// The bound control socket.
    pub listener: UnixListener,
    /// The state folder.
    pub state: OwnedFd,
    /// Folders that no node sees: those of all labs' keys and sockets.
    pub hidden: Vec<PathBuf>,
    /// The engine's own log.
    pub log: OwnedFd,
    /// The lab's lock, held until the last of us ends.
    pub lock: OwnedFd,
    /// The keeper's end of the channel to the launcher.
    pub launcher: Channel,
}

/// Lives as the first process.
pub(super) fn run(birth: Birth) -> ! {
    process::set_title("lab");
    // Whatever else the caller had open (pipes, files with locks on them) is none of the lab's.
    process::close_other_descriptors(&[
        birth.listener.as_raw_fd(),
        birth.state.as_raw_fd(),
        birth.log.as_raw_fd(),
        birth.lock.as_raw_fd(),
        birth.launcher.as_raw_fd(),
    ]);
    if let Err(error) = settle(&birth) {
        let refusal = launcher::forbidden("preparing the nodes' root folder", &error.to_string());
        let _ = birth.launcher.send(&ToLauncher::Failed(refusal), &[]);
        process::exit_now(3);
    }
    let (ours, theirs) = match Channel::pair() {
        Ok(pair) => pair,
        Err(error) => no_keeper(&birth.launcher, &error),
    };
    let keeper = match process::fork(CloneFlags::empty()) {
        Ok(Fork::Child) => {
            drop(ours);
            keeper::run(birth, theirs)
        }
        Ok(Fork::Parent(pid)) => pid,
        Err(error) => no_keeper(&birth.launcher, &error),
    };
    drop(theirs);
    // Only the catalogue and the lock stay here. The rest must go: whoever waits for the keeper's
    // end of the control socket or of the launcher's channel would wait for us, too.
    let Birth {
        catalogue,
        lock,
        plan,
        listener,
        state,
        log,
        launcher,
        other_users: _,
        cgroup: _,
        hidden: _,
    } = birth;
    drop((plan, listener, state, log, launcher));
    let _ = serve(&ours, keeper, catalogue);
    drop(lock);
    process::exit_now(0)
}

/// Ends, and tells the launcher why.
fn no_keeper(launcher: &Channel, error: &io::Error) -> ! {
    let refusal = Refusal {
        message: format!("can't start the keeper: {error}"),
        help: Some("look at the host's limits: `ulimit -u`, `ulimit -n`, memory".into()),
        code: 3,
    };
    let _ = launcher.send(&ToLauncher::Failed(refusal), &[]);
    process::exit_now(3)
}

fn settle(birth: &Birth) -> io::Result<()> {
    nix::unistd::setsid()?;
    interrupt::forget()?;
    let nothing = OwnedFd::from(std::fs::File::open("/dev/null")?);
    process::redirect(&nothing, 0)?;
    process::redirect(&birth.log, 1)?;
    process::redirect(&birth.log, 2)?;
    nix::unistd::sethostname(&birth.plan.lab)?;
    // The caller's folder may be on a file system that somebody wants to unmount.
    nix::unistd::chdir("/")?;
    process::leave_keyring()?;
    template::prepare(&birth.hidden)
}

/// Forks nodes on request until the keeper is gone.
fn serve(channel: &Channel, keeper: Pid, catalogue: Catalogue) -> io::Result<()> {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let maps = Maps::of_this()?;
    let homes = template::homes();
    loop {
        let mut set = [
            PollFd::new(channel.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut set, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            result => result?,
        };
        let [request, child] = set.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        if child {
            while let Ok(Some(_)) = signals.read_signal() {}
            if reap(keeper) {
                return Ok(());
            }
        }
        if request {
            let (name, store, descriptors) = match channel.receive()? {
                Some((ToZygote::Node { name, store }, descriptors)) => (name, store, descriptors),
                Some((ToZygote::Forget { name }, _)) => {
                    stores::forget(&name);
                    continue;
                }
                None => return Ok(()),
            };
            let Some(control) = descriptors.into_iter().next() else {
                continue;
            };
            let born = stores::prepare(&name, store)
                .and_then(|()| give_birth(&name, control, &maps, &homes, catalogue));
            match born {
                Ok(network) => channel.send(&FromZygote::Node, &[network.as_fd()])?,
                Err(error) => channel.send(&FromZygote::Failed(error.to_string()), &[])?,
            }
        }
    }
}

/// The ids of this user namespace, each mapped to itself.
struct Maps {
    users: String,
    groups: String,
}

impl Maps {
    fn of_this() -> io::Result<Self> {
        // A range must lie in one range of the namespace above: each line becomes one.
        let same = |file: &str| -> io::Result<String> {
            let text = std::fs::read_to_string(file)?;
            Ok(text
                .lines()
                .filter_map(|line| {
                    let mut fields = line.split_whitespace();
                    let first = fields.next()?;
                    Some(format!("{first} {first} {}\n", fields.nth(1)?))
                })
                .collect())
        };
        Ok(Self {
            users: same("/proc/self/uid_map")?,
            groups: same("/proc/self/gid_map")?,
        })
    }

    fn apply(&self, child: Pid) -> io::Result<()> {
        let folder = Path::new(template::PROCESSES).join(child.to_string());
        std::fs::write(folder.join("gid_map"), &self.groups)?;
        std::fs::write(folder.join("uid_map"), &self.users)
    }
}

/// Forks a node; gives its network namespace.
///
/// A node has a user namespace of its own, below the lab's: its root has no capability over the
/// fabric (which a link's other end would let it name), over other nodes, or over the mounts that
/// the template is made of.
fn give_birth(
    name: &str,
    control: OwnedFd,
    maps: &Maps,
    homes: &[PathBuf],
    catalogue: Catalogue,
) -> io::Result<OwnedFd> {
    let flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    let (waits, mapped) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let child = match process::fork(flags)? {
        Fork::Child => {
            process::set_title(name);
            process::close_other_descriptors(&[control.as_raw_fd(), waits.as_raw_fd()]);
            // Without its ids it is nobody.
            if !matches!(nix::unistd::read(&waits, &mut [0]), Ok(1)) {
                process::exit_now(3);
            }
            let _ = nix::unistd::close(waits.as_raw_fd());
            node::run(
                Channel::from_fd(control),
                Inheritance {
                    catalogue,
                    homes: homes.to_vec(),
                },
            )
        }
        Fork::Parent(pid) => pid,
    };
    let folder = Path::new(template::PROCESSES).join(child.to_string());
    let network = std::fs::File::open(folder.join("ns/net"))?.into();
    // Where this fails, the child reads the end of the pipe and ends.
    maps.apply(child)?;
    nix::unistd::write(&mapped, &[1])?;
    Ok(network)
}

/// Reaps all that ended; true when the keeper did.
fn reap(keeper: Pid) -> bool {
    let mut ended = false;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                ended |= pid == keeper
            }
            Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::ECHILD) => return ended,
            Ok(_) | Err(_) => {}
        }
    }
}
