//! Control groups, version 2: limits that hold for all processes of a node together.
//!
//! A cgroup is a folder that outlives its processes. So they are only used below one that somebody
//! else made for the lab and will remove with all in it: a scope of systemd with `Delegate=yes`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use nix::libc;

/// A cgroup, reached by its folder's descriptor from whatever mount namespace.
#[derive(Debug)]
pub struct Cgroup {
    folder: OwnedFd,
}

impl Cgroup {
    /// The caller's cgroup, if it was delegated: systemd marks such a one with the extended
    /// attribute `user.delegate` or `trusted.delegate`.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn delegated() -> io::Result<Option<Self>> {
        let Some(path) = own_folder()? else {
            return Ok(None);
        };
        let Ok(folder) = File::open(&path) else {
            return Ok(None);
        };
        let is_marked = [c"user.delegate", c"trusted.delegate"].iter().any(|name| {
            let mut value = [0u8; 8];
            // SAFETY: a descriptor of ours, a valid C string, a buffer of the given length.
            let length = unsafe {
                libc::fgetxattr(
                    folder.as_raw_fd(),
                    name.as_ptr(),
                    value.as_mut_ptr().cast(),
                    value.len(),
                )
            };
            length == 1 && value[0] == b'1'
        });
        Ok(is_marked.then_some(Self {
            folder: folder.into(),
        }))
    }

    /// From its folder's descriptor.
    pub fn from_fd(folder: OwnedFd) -> Self {
        Self { folder }
    }

    /// Its folder's descriptor.
    pub fn into_fd(self) -> OwnedFd {
        self.folder
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new("/proc/self/fd")
            .join(self.folder.as_raw_fd().to_string())
            .join(name)
    }

    /// The cgroup of that name in this one, made if it is not there.
    ///
    /// # Errors
    /// What mkdir(2) says.
    pub fn child(&self, name: &str) -> io::Result<Self> {
        match std::fs::create_dir(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let folder = File::open(self.file(name))?.into();
        Ok(Self { folder })
    }

    /// Removes the cgroup of that name in this one.
    ///
    /// # Errors
    /// `EBUSY` while a process is in it.
    pub fn remove_child(&self, name: &str) -> io::Result<()> {
        std::fs::remove_dir(self.file(name))
    }

    /// Writes one of its files (`memory.max`).
    ///
    /// # Errors
    /// What the kernel says: no such controller, or it is busy.
    pub fn write(&self, name: &str, value: &str) -> io::Result<()> {
        // Never O_CREAT: a file that is not there is a controller that is not there.
        let mut file = File::options()
            .write(true)
            .custom_flags(libc::O_CLOEXEC)
            .open(self.file(name))?;
        io::Write::write_all(&mut file, value.as_bytes())
    }

    /// Its `cgroup.procs`, open for writing: who writes `0` there enters it, with the rights of who
    /// opened it.
    ///
    /// # Errors
    /// It does not belong to the caller.
    pub fn door(&self) -> io::Result<OwnedFd> {
        let file = File::options()
            .write(true)
            .open(self.file("cgroup.procs"))?;
        Ok(file.into())
    }

    /// Gives it to another user, as delegation to them wants it (cgroups(7)).
    ///
    /// # Errors
    /// What chown(2) says.
    pub fn give_to(&self, user: u32) -> io::Result<()> {
        for file in [
            ".",
            "cgroup.procs",
            "cgroup.subtree_control",
            "cgroup.threads",
        ] {
            chown(self.file(file), Some(user), Some(user))?;
        }
        Ok(())
    }
}

/// The folder of the calling process's cgroup, where version 2 is mounted.
fn own_folder() -> io::Result<Option<PathBuf>> {
    let groups = std::fs::read_to_string("/proc/self/cgroup")?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    // Mount point and file system type are fields before and after a lone hyphen
    // (proc_pid_mountinfo(5)).
    let mounted = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        after.starts_with("cgroup2 ").then_some(point)
    });
    Ok(own
        .zip(mounted)
        .map(|(own, mounted)| Path::new(mounted).join(own)))
}
