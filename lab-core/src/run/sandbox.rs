//! System calls that what runs in a node is refused, beyond what its missing capabilities refuse.
//!
//! Deny lists: stock programs must work, and a service's libraries use what they find. What is
//! here either has no namespace (keys, vsock, the kernel's log), asks for the host as a whole, or
//! is a way into the kernel that nothing in a node needs. docs/isolation.md explains each group.

use std::io;

use nix::libc;

use crate::kernel::seccomp::{self, Refuse};

const EPERM: i32 = libc::EPERM;
const ENOSYS: i32 = libc::ENOSYS;

/// Socket families with a network namespace of their own. AF_VSOCK has none: it reaches the
/// hypervisor and listeners of the host.
const PROGRAM_FAMILIES: &[u32] = &[
    libc::AF_UNIX as u32,
    libc::AF_INET as u32,
    libc::AF_INET6 as u32,
    libc::AF_KEY as u32,
    libc::AF_NETLINK as u32,
    libc::AF_PACKET as u32,
    libc::AF_PPPOX as u32,
    libc::AF_LLC as u32,
    libc::AF_ALG as u32,
    libc::AF_XDP as u32,
];

/// A service speaks IP and asks for its own addresses.
const SERVICE_FAMILIES: &[u32] = &[
    libc::AF_UNIX as u32,
    libc::AF_INET as u32,
    libc::AF_INET6 as u32,
    libc::AF_NETLINK as u32,
];

/// Input into a terminal as if typed, and the virtual console's commands.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

const EVERYBODY: &[Refuse] = &[
    // The kernel itself.
    Refuse::Call(libc::SYS_kexec_load, EPERM),
    Refuse::Call(libc::SYS_kexec_file_load, EPERM),
    Refuse::Call(libc::SYS_init_module, EPERM),
    Refuse::Call(libc::SYS_finit_module, EPERM),
    Refuse::Call(libc::SYS_delete_module, EPERM),
    Refuse::Call(libc::SYS_reboot, EPERM),
    Refuse::Call(libc::SYS_acct, EPERM),
    Refuse::Call(libc::SYS_swapon, EPERM),
    Refuse::Call(libc::SYS_swapoff, EPERM),
    Refuse::Call(libc::SYS_quotactl, EPERM),
    Refuse::Call(libc::SYS_vhangup, EPERM),
    #[cfg(target_arch = "x86_64")]
    Refuse::Call(libc::SYS_iopl, EPERM),
    #[cfg(target_arch = "x86_64")]
    Refuse::Call(libc::SYS_ioperm, EPERM),
    // The host's clock and log.
    Refuse::Call(libc::SYS_settimeofday, EPERM),
    Refuse::Call(libc::SYS_clock_settime, EPERM),
    Refuse::Call(libc::SYS_syslog, EPERM),
    // Files by handle, past every path.
    Refuse::Call(libc::SYS_open_by_handle_at, EPERM),
    // Large ways into the kernel.
    Refuse::Call(libc::SYS_bpf, EPERM),
    Refuse::Call(libc::SYS_perf_event_open, EPERM),
    Refuse::Call(libc::SYS_userfaultfd, EPERM),
    Refuse::Call(libc::SYS_io_uring_setup, ENOSYS),
    // Keys: programs take ENOSYS for a kernel without them.
    Refuse::Call(libc::SYS_add_key, ENOSYS),
    Refuse::Call(libc::SYS_request_key, ENOSYS),
    Refuse::Call(libc::SYS_keyctl, ENOSYS),
    // The caller's terminal.
    Refuse::Value(libc::SYS_ioctl, 1, TIOCSTI, EPERM),
    Refuse::Value(libc::SYS_ioctl, 1, TIOCLINUX, EPERM),
    // A cgroup namespace allows to mount the tree: a user's own part of it can freeze or kill what
    // they run on the host. What clone3 is asked for can't be seen from here; with ENOSYS
    // libraries use clone.
    Refuse::Bits(libc::SYS_unshare, 0, libc::CLONE_NEWCGROUP as u32, EPERM),
    Refuse::Bits(libc::SYS_clone, 0, libc::CLONE_NEWCGROUP as u32, EPERM),
    Refuse::Call(libc::SYS_clone3, ENOSYS),
];

/// A service executes, mounts and traces nothing, and enters no namespace.
const SERVICE: &[Refuse] = &[
    Refuse::NoneOf(libc::SYS_socket, 0, SERVICE_FAMILIES, libc::EAFNOSUPPORT),
    Refuse::Without(libc::SYS_clone, 0, libc::CLONE_THREAD as u32, EPERM),
    #[cfg(target_arch = "x86_64")]
    Refuse::Call(libc::SYS_fork, EPERM),
    #[cfg(target_arch = "x86_64")]
    Refuse::Call(libc::SYS_vfork, EPERM),
    Refuse::Call(libc::SYS_execve, EPERM),
    Refuse::Call(libc::SYS_execveat, EPERM),
    Refuse::Call(libc::SYS_unshare, EPERM),
    Refuse::Call(libc::SYS_setns, EPERM),
    Refuse::Call(libc::SYS_mount, EPERM),
    Refuse::Call(libc::SYS_umount2, EPERM),
    Refuse::Call(libc::SYS_pivot_root, EPERM),
    Refuse::Call(libc::SYS_chroot, EPERM),
    Refuse::Call(libc::SYS_open_tree, EPERM),
    Refuse::Call(libc::SYS_move_mount, EPERM),
    Refuse::Call(libc::SYS_fsopen, EPERM),
    Refuse::Call(libc::SYS_fspick, EPERM),
    Refuse::Call(libc::SYS_fsmount, EPERM),
    Refuse::Call(libc::SYS_mount_setattr, EPERM),
    Refuse::Call(libc::SYS_mknodat, EPERM),
    Refuse::Call(libc::SYS_ptrace, EPERM),
    Refuse::Call(libc::SYS_process_vm_readv, EPERM),
    Refuse::Call(libc::SYS_process_vm_writev, EPERM),
    Refuse::Call(libc::SYS_pidfd_getfd, EPERM),
    Refuse::Call(libc::SYS_fanotify_init, EPERM),
    Refuse::Call(libc::SYS_personality, EPERM),
];

/// For a host program or what `lab exec` runs, just before it is executed.
///
/// # Errors
/// What seccomp(2) says.
pub(super) fn confine_program() -> io::Result<()> {
    let families = Refuse::NoneOf(libc::SYS_socket, 0, PROGRAM_FAMILIES, libc::EAFNOSUPPORT);
    seccomp::refuse(&[EVERYBODY, &[families]].concat())
}

/// For a service, once it is ready to run.
///
/// # Errors
/// What seccomp(2) says.
pub(super) fn confine_service() -> io::Result<()> {
    seccomp::refuse(&[EVERYBODY, SERVICE].concat())
}
