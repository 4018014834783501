//! Mounts, by the calls of Linux 5.2 and 5.12 that work on descriptors.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::{MntFlags, MsFlags};

const AT_RECURSIVE: libc::c_uint = 0x8000;
const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_NOSUID: u64 = 0x2;
const MOUNT_ATTR_NODEV: u64 = 0x4;

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

/// Where something is mounted, as this process sees it.
///
/// # Errors
/// /proc can't be read.
pub fn points() -> io::Result<Vec<PathBuf>> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(point).collect())
}

/// The mount point in a line of mountinfo (proc_pid_mountinfo(5)): its fifth field, in which
/// white space and backslashes are octal.
fn point(line: &str) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    let mut rest = line.split(' ').nth(4)?.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\')
            .then(|| std::str::from_utf8(after.get(..3)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Some(std::ffi::OsString::from_vec(bytes).into())
}

/// Makes a tree read-only and its set-user-id bits and device nodes void, with every mount below it.
///
/// # Errors
/// What mount_setattr(2) says.
pub fn make_read_only(tree: &Path) -> io::Result<()> {
    let tree = c_path(tree)?;
    let attr = MountAttr {
        attr_set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
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

/// Shows `from` at `to` as well, with all that is mounted below it.
///
/// # Errors
/// What mount(2) says.
pub fn bind_tree(from: &Path, to: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    nix::mount::mount(Some(from), to, None::<&str>, flags, None::<&str>).map_err(io::Error::from)
}

/// Takes a mount away; it is gone when the last who uses it is.
///
/// # Errors
/// What umount2(2) says.
pub fn let_go(at: &Path) -> io::Result<()> {
    nix::mount::umount2(at, MntFlags::MNT_DETACH).map_err(io::Error::from)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let line = r"36 35 98:0 /a /mnt/my\040disk\134x rw,noatime - ext3 /dev/root rw";
        assert_eq!(point(line), Some(r"/mnt/my disk\x".into()));
        assert_eq!(point("36 35"), None);
        let points = points().expect("/proc is mounted");
        assert!(points.contains(&"/".into()) && points.contains(&"/proc".into()));
    }
}
