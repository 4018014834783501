//! `lab up`: from a plan to a lab that is healthy.
//!
//! The launcher never enters a namespace itself. It takes the lab's lock, binds the control
//! socket, and forks a child that does; the child's child is the first process of the lab, below
//! which everything lives. Then it waits to hear that all is healthy, and ends.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sched::CloneFlags;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};

use super::control::{LogLine, Progress, Refusal, Timing};
use super::folders::{Folders, make_private};
use super::messages::{FromLauncher, ToLauncher};
use super::zygote::{self, Birth};
use super::{limits, log_files};
use crate::kernel::channel::Channel;
use crate::kernel::identity::Identity;
use crate::kernel::process::{self, Fork};
use crate::plan::Plan;
use crate::service::Catalogue;

/// How long `up` waits for a lab of that name that is dying.
const DYING: Duration = Duration::from_secs(10);

/// Brings a lab up and returns when it is healthy. Must be called before the process has
/// started any thread: it forks.
///
/// # Errors
/// The lab is up already, the host can't do it, a node or a service failed; then nothing is left.
pub fn up(
    plan: Plan,
    catalogue: Catalogue,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Refusal> {
    let started = Instant::now();
    let folders = Folders::of_caller();
    folders.make_runtime()?;
    let lock = take_lock(&folders, &plan.lab)?;
    let listener = listen(&folders, &plan.lab)?;
    let identity = Identity::of_caller();
    let state = prepare_state(&folders, &plan, &identity)?;
    let log = open_engine_log(&folders.lab_state(&plan.lab))?;
    let (ours, theirs) = Channel::pair().map_err(no_resources)?;
    let birth = Birth {
        cgroup: limits::delegated(&identity),
        plan,
        catalogue,
        other_users: identity.has_other_users(),
        listener,
        state,
        hidden: vec![folders.runtime.clone(), folders.state.clone()],
        log,
        lock: lock.as_fd().try_clone_to_owned().map_err(no_resources)?,
        launcher: theirs,
    };
    let first = be_born(&identity, birth, &ours)?;
    let pidfd = process::pidfd(first).map_err(|error| Refusal {
        message: format!("the lab's first process ended at once: {error}"),
        help: Some("its last words are in engine.log in the lab's state folder".into()),
        code: 3,
    })?;
    let outcome = record(&lock, first).and_then(|()| follow(&ours, started, progress));
    if outcome.is_err() {
        // Closing our end makes the keeper end the lab; wait until nothing is left of it.
        drop(ours);
        let _ = process::pidfd_signal(&pidfd, nix::libc::SIGKILL);
        wait_dead(&pidfd);
    }
    outcome
}

/// Log lines of a lab that is not up any more (after a crash), oldest first.
///
/// # Errors
/// There are none.
pub fn old_logs(
    lab: &str,
    node: Option<&str>,
    line: &mut dyn FnMut(LogLine),
) -> Result<(), Refusal> {
    let folder = Folders::of_caller().lab_state(lab).join("logs");
    let lines = log_files::read(&folder, node).map_err(|error| Refusal {
        message: format!("there are no logs of a lab {lab}: {error}"),
        help: Some("`lab status` lists the labs that are up".into()),
        code: 2,
    })?;
    lines.into_iter().for_each(line);
    Ok(())
}

/// Waits until a process, and with it its whole namespace, is dead.
pub(super) fn wait_dead(pidfd: &OwnedFd) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut set = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    while let Err(nix::errno::Errno::EINTR) = poll(&mut set, PollTimeout::NONE) {}
}

/// Reads progress until the end.
fn follow(
    keeper: &Channel,
    started: Instant,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Refusal> {
    let mut launched = false;
    loop {
        match keeper.receive::<ToLauncher>() {
            Ok(Some((ToLauncher::Progress(step), _))) => {
                // The first word means that the keeper is at work.
                if !std::mem::replace(&mut launched, true) {
                    progress(Progress::Stage(Timing::of("launch", started.elapsed())));
                }
                progress(step);
            }
            Ok(Some((ToLauncher::Up, _))) => {
                return keeper
                    .send(&FromLauncher::Goodbye, &[])
                    .map_err(|error| Refusal {
                        message: format!("the lab ended just after it was up: {error}"),
                        help: None,
                        code: 1,
                    });
            }
            Ok(Some((ToLauncher::Failed(refusal), _))) => return Err(refusal),
            Ok(None) => {
                return Err(Refusal {
                    message: "the lab's keeper died while the lab was coming up".into(),
                    help: Some("its last words are in engine.log in the lab's state folder".into()),
                    code: 3,
                });
            }
            Err(error) => {
                return Err(Refusal {
                    message: format!("can't understand the lab's keeper: {error}"),
                    help: None,
                    code: 3,
                });
            }
        }
    }
}

/// Takes the lab's lock. It is freed when the last process of the lab that holds it is dead.
fn take_lock(folders: &Folders, lab: &str) -> Result<File, Refusal> {
    let path = folders.lock(lab);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| cannot_write(&path, &error))?;
    let end = Instant::now() + DYING;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::Error(error)) => return Err(cannot_write(&path, &error)),
            // Nobody listens: the lab is dying, or somebody looks whether it is dead.
            Err(std::fs::TryLockError::WouldBlock)
                if UnixStream::connect(folders.socket(lab)).is_err() && Instant::now() < end =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Refusal {
                    message: format!("{lab} is up already, or coming up"),
                    help: Some(format!(
                        "`lab status -l {lab}` shows it, `lab apply` changes it, `lab down {lab}` \
                         ends it"
                    )),
                    code: 2,
                });
            }
        }
    }
    // What stands there is about a process of the lab before.
    file.set_len(0)
        .map_err(|error| cannot_write(&path, &error))?;
    Ok(file)
}

/// Writes the first process's id into the lock, for `lab down` to wait on.
fn record(mut lock: &File, first: i32) -> Result<(), Refusal> {
    let mut write = || -> io::Result<()> {
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{first}")
    };
    write().map_err(|error| Refusal {
        message: format!("can't write the lab's lock: {error}"),
        help: Some("free some space on the runtime folder's file system".into()),
        code: 3,
    })
}

fn listen(folders: &Folders, lab: &str) -> Result<UnixListener, Refusal> {
    let path = folders.socket(lab);
    // We hold the lock: a socket that is there belongs to a lab that is dead.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(cannot_write(&path, &error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(|error| cannot_write(&path, &error))?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))
        .map_err(|error| cannot_write(&path, &error))?;
    Ok(listener)
}

/// Makes the state folder, owned by the lab's root, and opens it.
fn prepare_state(folders: &Folders, plan: &Plan, identity: &Identity) -> Result<OwnedFd, Refusal> {
    let path = folders.lab_state(&plan.lab);
    let make = || -> io::Result<OwnedFd> {
        // The labs of root have the same ids: the folder above keeps them from one another.
        make_private(&folders.state)?;
        make_private(&path)?;
        make_private(&path.join("logs"))?;
        std::fs::write(path.join("plan.json"), serde_json::to_vec_pretty(plan)?)?;
        if Uid::effective().as_raw() != identity.root_user() {
            give_away(&path, identity.root_user())?;
        }
        Ok(File::open(&path)?.into())
    };
    make().map_err(|error| cannot_write(&path, &error))
}

/// Gives a folder of ours, two levels deep, to the lab's root.
fn give_away(path: &Path, user: u32) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.is_dir() && !entry.is_symlink() {
            give_away(&entry, user)?;
        } else {
            std::os::unix::fs::lchown(&entry, Some(user), Some(user))?;
        }
    }
    std::os::unix::fs::lchown(path, Some(user), Some(user))
}

fn open_engine_log(state: &Path) -> Result<OwnedFd, Refusal> {
    let path = state.join("engine.log");
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .map(OwnedFd::from)
        .map_err(|error| cannot_write(&path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Refusal {
    let help = match error.raw_os_error() {
        Some(nix::libc::EMFILE | nix::libc::ENFILE) => {
            "`ulimit -n` allows too few open files: a lab needs thirty, and six a node"
        }
        _ => {
            "the folders come from XDG_RUNTIME_DIR and XDG_STATE_HOME; they must be yours and have \
             space left"
        }
    };
    Refusal {
        message: format!("can't write {}: {error}", path.display()),
        help: Some(help.into()),
        code: 3,
    }
}

fn no_resources(error: io::Error) -> Refusal {
    Refusal {
        message: format!("the host gives no more resources: {error}"),
        help: Some("look at `ulimit -a`: open files and processes".into()),
        code: 3,
    }
}

/// The child that enters the namespaces ↔ the launcher.
#[derive(Debug, Serialize, Deserialize)]
enum Step {
    /// In a new user namespace, waiting for its maps.
    Entered,
    /// The maps are written.
    Mapped,
    /// The first process was forked.
    Born(i32),
    /// A call was refused.
    Refused { what: String, error: String },
}

/// Forks the lab's first process in namespaces of its own; gives its id as the host sees it.
fn be_born(identity: &Identity, birth: Birth, launcher: &Channel) -> Result<i32, Refusal> {
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
    let first = converse(identity, child, &ours);
    // Where that failed the child may wait for our next word.
    drop(ours);
    let _ = nix::sys::wait::waitpid(child, None);
    first
}

fn converse(
    identity: &Identity,
    child: nix::unistd::Pid,
    channel: &Channel,
) -> Result<i32, Refusal> {
    loop {
        match channel.receive::<Step>() {
            Ok(Some((Step::Entered, _))) => {
                identity
                    .apply(child)
                    .map_err(|error| forbidden("mapping users", &error.to_string()))?;
                channel.send(&Step::Mapped, &[]).map_err(no_resources)?;
            }
            Ok(Some((Step::Born(first), _))) => return Ok(first),
            Ok(Some((Step::Refused { what, error }, _))) => return Err(forbidden(&what, &error)),
            Ok(Some((Step::Mapped, _))) => {}
            Ok(None) => return Err(forbidden("entering namespaces", "the child ended")),
            Err(error) => return Err(no_resources(error)),
        }
    }
}

/// What the host does not allow, and the way out.
pub fn forbidden(what: &str, error: &str) -> Refusal {
    Refusal {
        message: format!("this host does not let us build a lab: {what}: {error}"),
        help: Some(
            "unprivileged user namespaces must be allowed: look at the sysctls \
             user.max_user_namespaces, kernel.unprivileged_userns_clone and \
             kernel.apparmor_restrict_unprivileged_userns; `lab doctor` tries each part"
                .into(),
        ),
        code: 3,
    }
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
            let _ = nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(launcher));
            zygote::run(birth)
        }
        Ok(Fork::Parent(pid)) => {
            let _ = launcher.send(&Step::Born(pid.as_raw()), &[]);
            process::exit_now(0)
        }
        Err(error) => refuse("forking", &error),
    }
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
