//! Programs of the host in a node: `run:` in a lab file, `lab exec` and `lab shell`.
//!
//! Between the node's first process and the program stands a supervisor: orphans of the program
//! come to it, so that it can end the whole tree, whatever that did to leave (double forks,
//! new sessions).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid, User};

use super::control::{Refusal, TerminalSize};
use super::{root, sandbox};
use crate::check::Limits;
use crate::kernel::process::{self, Fork, capability};

/// What to run.
pub(super) struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// All of its environment.
    pub env: BTreeMap<String, String>,
    /// Where it starts, if it can be seen there; else at home.
    pub cwd: String,
    /// As whom; root of the node where absent.
    pub user: Option<String>,
    /// The lab has other users than root.
    pub other_users: bool,
    /// Limits.
    pub limits: Limits,
    /// Folders that it does not see.
    pub hidden: Vec<PathBuf>,
    /// It is the program that this process runs.
    pub own: bool,
}

/// Its standard descriptors.
pub(super) enum Stdio {
    /// Nothing in, everything out into this.
    Log(OwnedFd),
    /// The caller's.
    Passed([OwnedFd; 3]),
    /// A terminal.
    Terminal(OwnedFd),
}

/// How long a tree may take to end after it was asked to.
const GRACE: Duration = Duration::from_millis(500);

/// What a container would leave to root, and the network of the node.
const CAPABILITIES: &[u32] = &[
    capability::CHOWN,
    capability::DAC_OVERRIDE,
    capability::FOWNER,
    capability::FSETID,
    capability::KILL,
    capability::SETGID,
    capability::SETUID,
    capability::NET_BIND_SERVICE,
    capability::NET_ADMIN,
    capability::NET_RAW,
    capability::SYS_CHROOT,
    capability::SYS_PTRACE,
    capability::AUDIT_WRITE,
    capability::SETFCAP,
];

/// The shell of the host's root, or the one that is always there.
pub(super) fn shell() -> Vec<String> {
    let bash = "/bin/bash";
    vec![if Path::new(bash).exists() {
        bash.into()
    } else {
        "/bin/sh".into()
    }]
}

/// Both ends of a new terminal of the node.
///
/// # Errors
/// What the kernel says.
pub(super) fn open_terminal(size: TerminalSize) -> io::Result<(OwnedFd, OwnedFd)> {
    let pty = nix::pty::openpty(None, None)?;
    process::set_terminal_size(&pty.master, size.rows, size.columns)?;
    Ok((pty.master, pty.slave))
}

/// Starts a program below a supervisor; gives the supervisor's id.
///
/// # Errors
/// The program or the user does not exist in the node; no process can be forked.
pub(super) fn start(command: &Command, stdio: Stdio) -> Result<Pid, Refusal> {
    let program = find(command)?;
    let user = command.user.as_deref().map(find_user).transpose()?;
    let cannot = |error: io::Error| Refusal {
        message: format!("no further process can be started: {error}"),
        help: Some("look at `ulimit -u` and at the host's memory".into()),
        code: 3,
    };
    // What the supervisor is told before it listens must wait, not end it.
    let before = told()
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .map_err(|error| cannot(error.into()))?;
    let started = match process::fork(CloneFlags::empty()) {
        Ok(Fork::Parent(pid)) => Ok(pid),
        Ok(Fork::Child) => supervise(command, &program, user.as_ref(), stdio),
        Err(error) => Err(cannot(error)),
    };
    let _ = before.thread_set_mask();
    started
}

/// What a supervisor is told by: its children's ends, to stop, to pass a signal on.
fn told() -> SigSet {
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGUSR1]
        .into_iter()
        .collect()
}

fn find(command: &Command) -> Result<PathBuf, Refusal> {
    if command.own {
        // The kernel's link leads to the file even where no path does.
        return Ok("/proc/self/exe".into());
    }
    let name = command.argv.first().map(String::as_str).unwrap_or_default();
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![Path::new(&command.cwd).join(name)]
    } else {
        let path = command
            .env
            .get("PATH")
            .map(String::as_str)
            .unwrap_or_default();
        path.split(':')
            .map(|folder| Path::new(folder).join(name))
            .collect()
    };
    let executable = |path: &&PathBuf| {
        path.is_file()
            && nix::unistd::access(path.as_path(), nix::unistd::AccessFlags::X_OK).is_ok()
    };
    candidates
        .iter()
        .find(executable)
        .cloned()
        .ok_or_else(|| Refusal {
            message: format!("the program `{name}` is not there"),
            help: Some(format!(
                "nodes see the host's programs: install the package that has `{name}`"
            )),
            code: 127,
        })
}

fn find_user(name: &str) -> Result<User, Refusal> {
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    found.ok().flatten().ok_or_else(|| Refusal {
        message: format!("there is no user `{name}` in the node"),
        help: Some("nodes know the users of the host's /etc/passwd".into()),
        code: 2,
    })
}

/// The supervisor: forks the program, ends its tree when asked or when the program ends.
fn supervise(command: &Command, program: &Path, user: Option<&User>, stdio: Stdio) -> ! {
    let signals = told();
    if signals.thread_set_mask().is_err() || process::become_subreaper().is_err() {
        process::exit_now(126);
    }
    let main = match process::fork(CloneFlags::empty()) {
        Ok(Fork::Child) => become_program(command, program, user, &stdio),
        Ok(Fork::Parent(pid)) => pid,
        Err(_) => process::exit_now(126),
    };
    if matches!(stdio, Stdio::Passed(_)) {
        // As it does itself: whoever comes first. It may have executed its program by now (EACCES).
        let _ = nix::unistd::setpgid(main, main);
    }
    // Nothing may stay open here: a pipe's reader waits for the last writer.
    drop(stdio);
    process::close_other_descriptors(&[]);
    for standard in 0..3 {
        let _ = nix::unistd::close(standard);
    }
    // What it started may have another user.
    if process::keep_capabilities(&[capability::KILL]).is_err() {
        process::exit_now(126);
    }
    let status = loop {
        match process::wait_signal(&signals) {
            Ok((signal, _)) if signal == Signal::SIGCHLD as i32 => {
                if let Some(status) = reap(main) {
                    break status;
                }
            }
            Ok((signal, number)) if signal == Signal::SIGUSR1 as i32 => {
                if let Ok(signal) = Signal::try_from(number) {
                    signal_group(main, signal);
                }
            }
            Ok(_) => {
                signal_group(main, Signal::SIGTERM);
                signal_group(main, Signal::SIGHUP);
                break wait_a_while(main, &signals).unwrap_or(128 + Signal::SIGKILL as i32);
            }
            Err(_) => process::exit_now(126),
        }
    };
    end_descendants();
    process::exit_now(status)
}

/// Signals the group that `main` leads, or `main` where it has not begun to lead one yet.
fn signal_group(main: Pid, signal: Signal) {
    if killpg(main, signal).is_err() {
        let _ = kill(main, signal);
    }
}

/// Reaps children; the status of `main` if it was among them.
fn reap(main: Pid) -> Option<i32> {
    let mut found = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == main => found = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                found = Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

/// Gives the program time to end; its status if it does.
fn wait_a_while(main: Pid, signals: &SigSet) -> Option<i32> {
    let deadline = std::time::Instant::now() + GRACE;
    loop {
        if let Some(status) = reap(main) {
            return Some(status);
        }
        let left = deadline.checked_duration_since(std::time::Instant::now())?;
        process::wait_signal_for(signals, left)?;
    }
}

/// Kills every descendant, until there is none.
fn end_descendants() {
    loop {
        let descendants = descendants_of(nix::unistd::getpid().as_raw());
        for pid in &descendants {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        // With none left waitpid says ECHILD.
        match waitpid(None, None) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

fn descendants_of(root: i32) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The command's name, in brackets, may hold anything: look behind the last one.
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|field| field.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

/// Becomes the program, or says on stderr why not.
fn become_program(command: &Command, program: &Path, user: Option<&User>, stdio: &Stdio) -> ! {
    let result = prepare(command, user, stdio).and_then(|()| {
        let text = |bytes: &[u8]| CString::new(bytes).map_err(io::Error::from);
        let argv: Vec<CString> = command
            .argv
            .iter()
            .map(|word| text(word.as_bytes()))
            .collect::<io::Result<_>>()?;
        let env: Vec<CString> = command
            .env
            .iter()
            .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
            .collect::<io::Result<_>>()?;
        let program = text(program.as_os_str().as_bytes())?;
        nix::unistd::execve(&program, &argv, &env).map_err(io::Error::from)
    });
    let Err(error) = result;
    let name = command.argv.first().map(String::as_str).unwrap_or_default();
    let line = format!("can't run {name}: {error}\n");
    let _ = nix::unistd::write(io::stderr(), line.as_bytes());
    process::exit_now(126)
}

fn prepare(command: &Command, user: Option<&User>, stdio: &Stdio) -> io::Result<()> {
    match stdio {
        Stdio::Terminal(slave) => {
            nix::unistd::setsid()?;
            process::take_terminal(slave)?;
            for standard in 0..3 {
                process::redirect(slave, standard)?;
            }
        }
        Stdio::Passed(passed) => {
            nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            for (standard, fd) in (0..3).zip(passed) {
                process::redirect(fd, standard)?;
            }
        }
        Stdio::Log(log) => {
            nix::unistd::setsid()?;
            let nothing = OwnedFd::from(std::fs::File::open("/dev/null")?);
            process::redirect(&nothing, 0)?;
            process::redirect(log, 1)?;
            process::redirect(log, 2)?;
        }
    }
    process::close_other_descriptors(&[]);
    if !command.hidden.is_empty() {
        root::hide_homes(&command.hidden)?;
    }
    set_limits(&command.limits)?;
    process::set_no_new_privileges()?;
    process::restore_broken_pipe()?;
    match user {
        Some(user) if user.uid.is_root() => process::keep_capabilities(CAPABILITIES)?,
        Some(user) => become_user(user, command.other_users)?,
        None => process::keep_capabilities(CAPABILITIES)?,
    }
    SigSet::empty().thread_set_mask()?;
    if nix::unistd::chdir(Path::new(&command.cwd)).is_err() {
        let home = command.env.get("HOME").map_or("/", String::as_str);
        nix::unistd::chdir(home).or_else(|_| nix::unistd::chdir("/"))?;
    }
    sandbox::confine_program()
}

fn become_user(user: &User, other_users: bool) -> io::Result<()> {
    if other_users {
        let name = CString::new(user.name.as_bytes())?;
        let groups = nix::unistd::getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
        nix::unistd::setgroups(&groups)?;
        nix::unistd::setresgid(user.gid, user.gid, user.gid)?;
        nix::unistd::setresuid(user.uid, user.uid, user.uid)?;
        return Ok(());
    }
    // Only one id in this lab: give it the user's number in a user namespace of its own. To write
    // the maps the process must be open; before that it gives up what the node's root has not.
    process::keep_capabilities(CAPABILITIES)?;
    process::set_dumpable()?;
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny\n")?;
    std::fs::write("/proc/self/gid_map", format!("{} 0 1\n", user.gid))?;
    std::fs::write("/proc/self/uid_map", format!("{} 0 1\n", user.uid))?;
    nix::unistd::setresgid(user.gid, user.gid, user.gid)?;
    nix::unistd::setresuid(user.uid, user.uid, user.uid)?;
    process::keep_capabilities(&[])
}

/// Limits of a process and what it starts.
///
/// # Errors
/// What setrlimit(2) says: raising one needs privilege.
pub(super) fn set_limits(limits: &Limits) -> io::Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_AS, limits.memory),
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_NOFILE, limits.open_files),
    ] {
        if let Some(limit) = limit {
            setrlimit(resource, limit, limit)?;
        }
    }
    // A core file would end up where the host's core_pattern says.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}
