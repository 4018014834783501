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

use nix::unistd::Uid;

use super::control::{LogLine, Progress, Refusal, Timing};
use super::folders::{Folders, make_private};
use super::interrupts::{Interrupts, NotUp};
use super::messages::{FromLauncher, ToLauncher};
use super::zygote::Birth;
use super::{entry, limits, log_files};
use crate::kernel::channel::Channel;
use crate::kernel::identity::Identity;
use crate::kernel::process;
use crate::plan::Plan;
use crate::service::Catalogue;

/// How long `up` waits for a lab of that name that is dying.
const DYING: Duration = Duration::from_secs(10);

/// A lab that lives only as long as this is held: when it is dropped, or the process that has it
/// dies in whatever way, the lab ends.
#[derive(Debug)]
pub struct Held {
    keeper: Option<Channel>,
    first: OwnedFd,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keeper = None;
        // The keeper may hang; the first process's death ends all of it.
        let _ = process::pidfd_signal(&self.first, nix::libc::SIGKILL);
        wait_dead(&self.first);
    }
}

/// Brings a lab up and returns when it is healthy. Must be called before the process has
/// started any thread: it forks.
///
/// # Errors
/// The lab is up already, the host can't do it, a node or a service failed, or an interrupt came;
/// then nothing is left.
pub fn up(
    plan: Plan,
    catalogue: Catalogue,
    interrupts: &Interrupts,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), NotUp> {
    launch(plan, catalogue, FromLauncher::Goodbye, interrupts, progress).map(drop)
}

/// As [`up`], but the lab ends with what is returned.
///
/// # Errors
/// As [`up`].
pub fn up_held(
    plan: Plan,
    catalogue: Catalogue,
    interrupts: &Interrupts,
    progress: &mut dyn FnMut(Progress),
) -> Result<Held, NotUp> {
    let (keeper, first) = launch(plan, catalogue, FromLauncher::Stay, interrupts, progress)?;
    Ok(Held {
        keeper: Some(keeper),
        first,
    })
}

/// The channel to the keeper, and the lab's first process.
fn launch(
    plan: Plan,
    catalogue: Catalogue,
    farewell: FromLauncher,
    interrupts: &Interrupts,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Channel, OwnedFd), NotUp> {
    let started = Instant::now();
    let folders = Folders::of_caller();
    folders.make_runtime()?;
    let lock = take_lock(&folders, &plan.lab, interrupts)?;
    let socket = folders.socket(&plan.lab);
    let born = be_born(plan, catalogue, &folders, &lock, interrupts);
    let outcome = born.and_then(|(first, keeper)| {
        let pidfd = process::pidfd(first).map_err(|error| Refusal {
            message: format!("the lab's first process ended at once: {error}"),
            help: Some("its last words are in engine.log in the lab's state folder".into()),
            code: 3,
        })?;
        let outcome = interrupts
            .look()
            .and_then(|()| record(&lock, first))
            .and_then(|()| follow(&keeper, &farewell, interrupts, started, progress));
        match outcome {
            Ok(()) => Ok((keeper, pidfd)),
            Err(why) => {
                // Closing our end makes the keeper end the lab; wait until nothing is left of it.
                drop(keeper);
                let _ = process::pidfd_signal(&pidfd, nix::libc::SIGKILL);
                interrupts.wait_dead(&pidfd);
                Err(why)
            }
        }
    });
    outcome.map_err(|why| {
        // The lock is ours, so it is no other lab's socket.
        let _ = std::fs::remove_file(socket);
        // A program that we called was interrupted, too: that is no fault of the host.
        let _ = interrupts.look();
        interrupts.verdict().unwrap_or(why)
    })
}

/// The lab's first process, and the channel to its keeper.
fn be_born(
    plan: Plan,
    catalogue: Catalogue,
    folders: &Folders,
    lock: &File,
    interrupts: &Interrupts,
) -> Result<(i32, Channel), NotUp> {
    let listener = listen(folders, &plan.lab)?;
    let identity = Identity::of_caller();
    let state = prepare_state(folders, &plan, &identity)?;
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
    let first = entry::be_born(&identity, birth, &ours, interrupts)?;
    Ok((first, ours))
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
    farewell: &FromLauncher,
    interrupts: &Interrupts,
    started: Instant,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), NotUp> {
    let mut launched = false;
    loop {
        interrupts.wait(keeper.as_fd())?;
        match keeper.receive::<ToLauncher>() {
            Ok(Some((ToLauncher::Progress(step), _))) => {
                // The first word means that the keeper is at work.
                if !std::mem::replace(&mut launched, true) {
                    progress(Progress::Stage(Timing::of("launch", started.elapsed())));
                }
                progress(step);
            }
            Ok(Some((ToLauncher::Up, _))) => {
                // The last moment at which an interrupt means that it shall not be.
                interrupts.look()?;
                return keeper.send(farewell, &[]).map_err(|error| {
                    NotUp::Refused(Refusal {
                        message: format!("the lab ended just after it was up: {error}"),
                        help: None,
                        code: 1,
                    })
                });
            }
            Ok(Some((ToLauncher::Failed(refusal), _))) => return Err(refusal.into()),
            Ok(None) => {
                return Err(NotUp::Refused(Refusal {
                    message: "the lab's keeper died while the lab was coming up".into(),
                    help: Some("its last words are in engine.log in the lab's state folder".into()),
                    code: 3,
                }));
            }
            Err(error) => {
                return Err(NotUp::Refused(Refusal {
                    message: format!("can't understand the lab's keeper: {error}"),
                    help: None,
                    code: 3,
                }));
            }
        }
    }
}

/// Takes the lab's lock. It is freed when the last process of the lab that holds it is dead.
fn take_lock(folders: &Folders, lab: &str, interrupts: &Interrupts) -> Result<File, NotUp> {
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
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(cannot_write(&path, &error).into());
            }
            // Nobody listens: the lab is dying, or somebody looks whether it is dead.
            Err(std::fs::TryLockError::WouldBlock)
                if UnixStream::connect(folders.socket(lab)).is_err() && Instant::now() < end =>
            {
                interrupts.pause(Duration::from_millis(5))?;
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(NotUp::Refused(Refusal {
                    message: format!("{lab} is up already, or coming up"),
                    help: Some(format!(
                        "`lab status -l {lab}` shows it, `lab apply` changes it, `lab down {lab}` \
                         ends it"
                    )),
                    code: 2,
                }));
            }
        }
    }
    // What stands there is about a process of the lab before.
    file.set_len(0)
        .map_err(|error| cannot_write(&path, &error))?;
    Ok(file)
}

/// Writes the first process's id into the lock, for `lab down` to wait on.
fn record(mut lock: &File, first: i32) -> Result<(), NotUp> {
    let mut write = || -> io::Result<()> {
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{first}")
    };
    write().map_err(|error| {
        NotUp::Refused(Refusal {
            message: format!("can't write the lab's lock: {error}"),
            help: Some("free some space on the runtime folder's file system".into()),
            code: 3,
        })
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
    Refusal {
        message: format!("can't write {}: {error}", path.display()),
        help: Some("the folders come from XDG_RUNTIME_DIR and XDG_STATE_HOME; they must be yours and have space left".into()),
        code: 3,
    }
}

pub(super) fn no_resources(error: io::Error) -> Refusal {
    Refusal {
        message: format!("the host gives no more resources: {error}"),
        help: Some("look at `ulimit -a`: open files and processes".into()),
        code: 3,
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
