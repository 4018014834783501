//! Mounts, by the calls of Linux 5.2 and 5.12 that work on descriptors.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;
use nix::mount::{MntFlags, MsFlags};

use super::process::adopt;

const OPEN_TREE_CLONE: libc::c_uint = 1;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x0000_0004;
const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_NOSUID: u64 = 0x2;

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero byte"))
}

/// A detached copy of the mount tree at `path`, with all below it.
///
/// # Errors
/// What open_tree(2) says.
pub fn copy_tree(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let flags = OPEN_TREE_CLONE | AT_RECURSIVE | libc::O_CLOEXEC as libc::c_uint;
    // SAFETY: a valid C string, integers otherwise.
    match unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(adopt(fd as RawFd)),
    }
}

/// Attaches a detached tree.
///
/// # Errors
/// What move_mount(2) says.
pub fn attach(tree: &OwnedFd, to: &Path) -> io::Result<()> {
    let to = c_path(to)?;
    // SAFETY: valid C strings, integers otherwise.
    match unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Makes a tree read-only and its set-user-id bits void, with every mount below it.
///
/// # Errors
/// What mount_setattr(2) says.
pub fn make_read_only(tree: &Path) -> io::Result<()> {
    let tree = c_path(tree)?;
    let attr = MountAttr {
        attr_set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: attr has the layout of the kernel's struct mount_attr and outlives the call.
    match unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            tree.as_ptr(),
            AT_RECURSIVE,
            &attr,
            std::mem::size_of::<MountAttr>(),
        )
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether something is mounted on a file or folder in `folder`.
///
/// # Errors
/// `/proc` is not there.
pub fn has_mounts_in(folder: &Path) -> io::Result<bool> {
    let mounts = std::fs::read("/proc/self/mountinfo")?;
    let folder = folder.as_os_str().as_bytes();
    Ok(mounts.split(|byte| *byte == b'\n').any(|mount| {
        // The fifth field is the mount point (proc_pid_mountinfo(5)).
        let point = mount.split(|byte| *byte == b' ').nth(4);
        let rest = point.and_then(|point| point.strip_prefix(folder));
        rest.is_some_and(|rest| rest.first() == Some(&b'/'))
    }))
}

/// Nothing mounted from now on is seen in another mount namespace, nor the other way round.
///
/// # Errors
/// What mount(2) says.
pub fn make_private() -> io::Result<()> {
    nix::mount::mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .map_err(io::Error::from)
}

/// Mounts a file system of the kernel (`tmpfs`, `proc`, `sysfs`, `devpts`, `overlay`).
///
/// # Errors
/// What mount(2) says.
pub fn mount(kind: &str, at: &Path, options: &str, flags: MsFlags) -> io::Result<()> {
    nix::mount::mount(Some(kind), at, Some(kind), flags, Some(options)).map_err(io::Error::from)
}

/// Shows `from` at `to` as well.
///
/// # Errors
/// What mount(2) says.
pub fn bind(from: &Path, to: &Path) -> io::Result<()> {
    nix::mount::mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(io::Error::from)
}

/// Makes `root` the root folder and lets go of the old one.
///
/// # Errors
/// What pivot_root(2) or umount2(2) says.
pub fn change_root(root: &Path) -> io::Result<()> {
    nix::unistd::chdir(root)?;
    // The old root comes to lie over the new one, from where it is detached.
    nix::unistd::pivot_root(".", ".")?;
    nix::mount::umount2(".", MntFlags::MNT_DETACH)?;
    nix::unistd::chdir("/")?;
    Ok(())
}
