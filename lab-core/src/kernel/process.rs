//! Processes: forking, namespaces at birth, privileges, descriptors.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The child.
    Child,
    /// The parent, with the child's process id.
    Parent(Pid),
}

/// Forks, the child being born in new namespaces (`flags`, empty for a plain fork).
///
/// The caller must be single-threaded: the child goes on in the middle of the program and
/// may allocate. Refused with `EDEADLK` otherwise.
///
/// # Errors
/// What the kernel says: too many processes, no memory, namespaces forbidden.
pub fn fork(flags: CloneFlags) -> io::Result<Fork> {
    if !single_threaded() {
        return Err(io::Error::from_raw_os_error(libc::EDEADLK));
    }
    let pid = if flags.is_empty() {
        // SAFETY: this process has one thread, so no lock can be held by another one.
        unsafe { libc::fork() as libc::c_long }
    } else {
        // SAFETY: without a stack, clone(2) acts as fork(2); one thread, as above.
        unsafe {
            libc::syscall(
                libc::SYS_clone,
                libc::c_long::from(flags.bits() | libc::SIGCHLD),
                0 as libc::c_long,
                0 as libc::c_long,
                0 as libc::c_long,
                0 as libc::c_long,
            )
        }
    };
    match pid {
        -1 => Err(limit_named(io::Error::last_os_error())),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Pid::from_raw(pid as libc::pid_t))),
    }
}

/// Enters new namespaces.
///
/// # Errors
/// What the kernel says: as many as there may be, forbidden.
pub fn unshare(flags: CloneFlags) -> io::Result<()> {
    nix::sched::unshare(flags).map_err(|error| limit_named(error.into()))
}

/// The kernel's words for a limit do not tell which: there is space left on every device.
fn limit_named(error: io::Error) -> io::Error {
    let limit = match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EUSERS) => {
            "as many namespaces as this user may have (sysctl user.max_net_namespaces and its like)"
        }
        Some(libc::EAGAIN) => {
            "as many processes as this user may have (`ulimit -u`, pids.max of the control group)"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{limit}: {error}"))
}

/// Whether this process has one thread only.
fn single_threaded() -> bool {
    // Two links as every folder, and one a thread.
    nix::sys::stat::stat("/proc/self/task").map_or(true, |tasks| tasks.st_nlink <= 3)
}

/// Ends the process at once: no destructor, no buffer is flushed.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) never returns and touches no memory of ours.
    unsafe { libc::_exit(status) }
}

/// Closes every descriptor above stderr that is not in `keep`.
///
/// For a child right after the fork: it drops what it inherited behind its owners' backs,
/// so the caller must not use or drop any of them afterwards.
pub fn close_other_descriptors(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .filter_map(|fd| u32::try_from(*fd).ok())
        .collect();
    keep.sort_unstable();
    let mut from = 3;
    for fd in keep {
        if fd > from {
            close_range(from, fd - 1);
        }
        from = from.max(fd + 1);
    }
    close_range(from, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: see close_other_descriptors: the child owns none of these any more.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, last, 0);
    }
}

/// Takes a descriptor that was inherited or received and has no other owner.
pub fn adopt(fd: RawFd) -> OwnedFd {
    // SAFETY: the callers pass numbers that the kernel just gave them (SCM_RIGHTS).
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Puts `fd` in the place of standard descriptor `target` (0, 1 or 2).
///
/// # Errors
/// What dup2(2) says.
pub fn redirect(fd: &OwnedFd, target: RawFd) -> io::Result<()> {
    // SAFETY: dup2 onto a standard descriptor; nothing in Rust owns 0, 1 or 2.
    match unsafe { libc::dup2(fd.as_raw_fd(), target) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// From now on neither this process nor what it executes gains privileges (set-user-id, file
/// capabilities).
///
/// # Errors
/// What prctl(2) says.
pub fn set_no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Orphaned descendants of this process become its children.
///
/// # Errors
/// What prctl(2) says.
pub fn become_subreaper() -> io::Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// Lets the owner of the process read its /proc entries after its ids changed.
///
/// # Errors
/// What prctl(2) says.
pub fn set_dumpable() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 1)
}

/// Closes the process to others of its node, root among them: they can neither trace it nor see
/// its memory, descriptors and environment. To pass over this takes a capability over the host.
///
/// # Errors
/// What prctl(2) says.
pub fn set_undumpable() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// Takes a session keyring of its own in the place of the caller's, which holds their tickets and
/// keys. A kernel without keys has none to leave.
///
/// # Errors
/// What keyctl(2) says.
pub fn leave_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name makes a keyring without one.
    let joined = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    if joined != -1 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // ENOSYS: no keys in this kernel; EPERM: a container's filter keeps them away.
        Some(libc::ENOSYS | libc::EPERM) => Ok(()),
        _ => Err(error),
    }
}

/// Wipes the environment this process was started with, as others read it in /proc, but for
/// these variables.
pub fn forget_environment(keep: &[&str]) {
    if !single_threaded() {
        return;
    }
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: one thread, so nobody reads or changes the list meanwhile. The strings lie in the
    // process's own writable memory and end with a zero byte; wiped entries leave the list.
    unsafe {
        let list = environ;
        if list.is_null() {
            return;
        }
        let (mut from, mut to) = (0, 0);
        loop {
            let entry = *list.add(from);
            if entry.is_null() {
                break;
            }
            from += 1;
            let length = libc::strlen(entry);
            let text = std::slice::from_raw_parts_mut(entry.cast::<u8>(), length);
            let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
            if keep.iter().any(|kept| kept.as_bytes() == name) {
                *list.add(to) = entry;
                to += 1;
            } else {
                text.fill(0);
            }
        }
        *list.add(to) = std::ptr::null_mut();
    }
}

/// The parent of a process that is not dead, as `/proc` shows it.
pub fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // pid (name) state parent …: the name may hold anything (proc_pid_stat(5)).
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

/// Sends this process `SIGKILL` when the thread that forked it ends: only where the parent is
/// single-threaded, and as a second net below an end-of-file.
///
/// # Errors
/// What prctl(2) says.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)
}

/// Shows a name in process lists.
pub fn set_title(name: &str) {
    if let Ok(name) = std::ffi::CString::new(name) {
        // SAFETY: PR_SET_NAME copies at most 16 bytes from a valid C string.
        unsafe {
            libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        }
    }
}

fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: these options take integers only.
    match unsafe {
        libc::prctl(
            option,
            value,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
        )
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Capabilities by their numbers in `linux/capability.h`.
pub mod capability {
    /// Change owners of files.
    pub const CHOWN: u32 = 0;
    /// Pass over file permissions.
    pub const DAC_OVERRIDE: u32 = 1;
    /// Act as owner of any file.
    pub const FOWNER: u32 = 3;
    /// Keep set-id bits.
    pub const FSETID: u32 = 4;
    /// Send signals to others.
    pub const KILL: u32 = 5;
    /// Change group ids.
    pub const SETGID: u32 = 6;
    /// Change user ids.
    pub const SETUID: u32 = 7;
    /// Bind to ports below 1024.
    pub const NET_BIND_SERVICE: u32 = 10;
    /// Change interfaces, routes and rules.
    pub const NET_ADMIN: u32 = 12;
    /// Raw and packet sockets.
    pub const NET_RAW: u32 = 13;
    /// Change root.
    pub const SYS_CHROOT: u32 = 18;
    /// Mounts, namespaces and much else.
    pub const SYS_ADMIN: u32 = 21;
    /// Trace processes.
    pub const SYS_PTRACE: u32 = 19;
    /// Priorities.
    pub const SYS_NICE: u32 = 23;
    /// Exceed resource limits.
    pub const SYS_RESOURCE: u32 = 24;
    /// Write the audit log (sshd, cron and su want it).
    pub const AUDIT_WRITE: u32 = 29;
    /// Set file capabilities.
    pub const SETFCAP: u32 = 31;
}

/// Keeps these capabilities only: bounding, permitted, effective and inheritable sets.
///
/// # Errors
/// What prctl(2) or capset(2) says.
pub fn keep_capabilities(keep: &[u32]) -> io::Result<()> {
    const LAST: u32 = 63;
    for capability in 0..=LAST {
        if keep.contains(&capability) {
            continue;
        }
        // EINVAL ends the list: the kernel knows no further capability.
        if let Err(error) = prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)) {
            if error.raw_os_error() == Some(libc::EINVAL) {
                break;
            }
            return Err(error);
        }
    }
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    let mut data = [Data {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    }; 2];
    for capability in keep {
        let bit = 1 << (capability % 32);
        let word = &mut data[(capability / 32) as usize & 1];
        word.effective |= bit;
        word.permitted |= bit;
    }
    // SAFETY: header and data have the layout of capset(2), version 3, and outlive the call.
    match unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Makes the terminal on `fd` the controlling one of this new session.
///
/// # Errors
/// What ioctl(2) says.
pub fn take_terminal(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes an integer.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Sets a terminal's size.
///
/// # Errors
/// What ioctl(2) says.
pub fn set_terminal_size(fd: &OwnedFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one winsize.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSWINSZ, &size) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A terminal's size: rows and columns.
///
/// # Errors
/// What ioctl(2) says: the descriptor is no terminal.
pub fn terminal_size(fd: BorrowedFd<'_>) -> io::Result<(u16, u16)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one winsize.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &mut size) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok((size.ws_row, size.ws_col)),
    }
}

/// A descriptor of the process, readable once it is dead and, for a namespace's first process,
/// once all of its namespace are.
///
/// # Errors
/// There is no such process.
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes integers and gives a new descriptor.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(adopt(fd as RawFd)),
    }
}

/// Sends a signal by pidfd: never to another process that got the same number.
///
/// # Errors
/// What pidfd_send_signal(2) says.
pub fn pidfd_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo means the ordinary one.
    match unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<u8>(),
            0,
        )
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Sends `signal` with a number beside it.
///
/// # Errors
/// What sigqueue(3) says.
pub fn queue_signal(pid: Pid, signal: i32, value: i32) -> io::Result<()> {
    let value = libc::sigval {
        sival_ptr: value as isize as *mut libc::c_void,
    };
    // SAFETY: the value is passed on as it is and never used as a pointer.
    match unsafe { libc::sigqueue(pid.as_raw(), signal, value) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Waits for one of `signals`, which must be blocked, and tells it with the number sent beside it.
///
/// # Errors
/// What sigwaitinfo(2) says; an interruption is waited through.
pub fn wait_signal(signals: &nix::sys::signal::SigSet) -> io::Result<(i32, i32)> {
    loop {
        // SAFETY: siginfo_t is plain data that the kernel fills in.
        let (signal, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let signal = libc::sigwaitinfo(signals.as_ref(), &mut info);
            (signal, info)
        };
        if signal == -1 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        // SAFETY: si_value is valid for queued signals, and plain memory for the others.
        let value = unsafe { info.si_value() }.sival_ptr as isize as i32;
        return Ok((signal, value));
    }
}

/// Waits for one of `signals`, which must be blocked, for at most `limit`; `None` when none came.
pub fn wait_signal_for(
    signals: &nix::sys::signal::SigSet,
    limit: std::time::Duration,
) -> Option<i32> {
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as _,
        tv_nsec: libc::c_long::from(limit.subsec_nanos()),
    };
    // SAFETY: a null siginfo is allowed; the set and the limit outlive the call.
    let signal = unsafe { libc::sigtimedwait(signals.as_ref(), std::ptr::null_mut(), &limit) };
    (signal > 0).then_some(signal)
}

/// Brings back the default of a broken pipe, which Rust's runtime ignores: programs that are
/// started inherit what is ignored.
///
/// # Errors
/// What sigaction(2) says.
pub fn restore_broken_pipe() -> io::Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: the default action runs no code of ours.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
    Ok(())
}
