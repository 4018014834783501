//! A node's root folder: the host's, read-only, with its own places on top.

use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use super::template::{COPY, FOLDERS, ROOT, SCRATCH, TEMPLATE, cover};
use crate::kernel::mount;
use crate::plan::{FileContent, FilePlan};

/// The folder a node's programs call home.
pub(super) const HOME: &str = "/run/home";

/// In a node's first process: its own places, then the change of root. A `store` becomes its /srv.
///
/// # Errors
/// A sentence with the step that was refused.
pub(super) fn enter(other_users: bool, store: Option<&Path>) -> io::Result<()> {
    // In the node's user namespace the template itself is locked: a copy of it can become the root.
    step(
        "the root folder",
        mount::bind_tree(Path::new(TEMPLATE), Path::new(ROOT)),
    )?;
    let at = |path: &str| Path::new(ROOT).join(path.trim_start_matches('/'));
    let tmpfs = |path: &str, options: &str| {
        step(
            &format!("a tmpfs on {path}"),
            mount::mount("tmpfs", &at(path), options, flags()),
        )
    };
    // proc and sysfs first: the kernel wants to see the host's beside them.
    step(
        "/proc",
        mount::mount("proc", &at("/proc"), "", flags() | MsFlags::MS_NOEXEC),
    )?;
    step(
        "/sys",
        mount::mount(
            "sysfs",
            &at("/sys"),
            "",
            flags() | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY,
        ),
    )?;
    tmpfs("/tmp", "mode=1777")?;
    if at("/var/tmp").is_dir() {
        tmpfs("/var/tmp", "mode=1777")?;
    }
    tmpfs("/run", "mode=0755")?;
    match store {
        Some(store) => step("the node's store", mount::bind(store, &at("/srv")))?,
        None => tmpfs("/srv", "mode=0755")?,
    }
    for (folder, mode) in [("run/lock", 0o1777), ("run/home", 0o700)] {
        let folder = at(folder);
        std::fs::create_dir(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode))?;
    }
    devices(&at("/dev"), other_users)?;
    overlay_etc(&at("/etc"))?;
    step("changing the root", mount::change_root(Path::new(ROOT)))
}

fn devices(dev: &Path, other_users: bool) -> io::Result<()> {
    step(
        "a tmpfs on /dev",
        mount::mount("tmpfs", dev, "mode=0755", MsFlags::MS_NOSUID),
    )?;
    for name in [
        "null", "zero", "full", "random", "urandom", "tty", "net/tun",
    ] {
        let host = Path::new("/dev").join(name);
        if !host.exists() {
            continue;
        }
        let own = dev.join(name);
        if let Some(folder) = own.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&own, "")?;
        step(name, mount::bind(&host, &own))?;
    }
    for name in ["pts", "shm"] {
        std::fs::create_dir(dev.join(name))?;
    }
    // Group 5 is tty everywhere; without other ids in the lab it can't be named.
    let options = if other_users {
        "newinstance,ptmxmode=0666,mode=0620,gid=5"
    } else {
        "newinstance,ptmxmode=0666,mode=0600"
    };
    step(
        "/dev/pts",
        mount::mount(
            "devpts",
            &dev.join("pts"),
            options,
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        ),
    )?;
    step(
        "/dev/shm",
        mount::mount("tmpfs", &dev.join("shm"), "mode=1777", flags()),
    )?;
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(name))?;
    }
    Ok(())
}

fn overlay_etc(etc: &Path) -> io::Result<()> {
    let scratch = Path::new(SCRATCH);
    step(
        "a tmpfs for /etc",
        mount::mount("tmpfs", scratch, "mode=0755", flags()),
    )?;
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    std::fs::create_dir(&upper)?;
    std::fs::create_dir(&work)?;
    let lower = if Path::new(COPY).is_dir() {
        COPY.to_owned()
    } else {
        format!("{FOLDERS}:/etc")
    };
    // userxattr: what an unprivileged user namespace may use (Linux 5.11).
    let options = format!(
        "lowerdir={lower},upperdir={},workdir={},userxattr",
        upper.display(),
        work.display()
    );
    step(
        "an overlay on /etc",
        mount::mount("overlay", etc, &options, flags()),
    )
}

/// For services and host programs: nothing of anybody's home is to be seen.
///
/// # Errors
/// A sentence with the step that was refused.
pub(super) fn hide_homes(homes: &[PathBuf]) -> io::Result<()> {
    step(
        "a mount namespace",
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map_err(io::Error::from),
    )?;
    for home in homes.iter().filter(|home| home.is_dir()) {
        step(&home.display().to_string(), cover(home))?;
    }
    Ok(())
}

/// Writes a file, with its folders.
///
/// # Errors
/// A sentence with the path.
pub(super) fn write_file(file: &FilePlan) -> io::Result<()> {
    let bytes = match &file.content {
        FileContent::Text(text) => text.as_bytes(),
        FileContent::Bytes(bytes) => bytes,
    };
    write(Path::new(&file.path), file.mode, bytes)
}

/// Writes bytes to a path, with its folders.
///
/// # Errors
/// A sentence with the path.
pub(super) fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let put = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Beside it, then over it: what is there may be the host's, which nobody may write, or a
        // link of the host (resolv.conf often is one) that leads elsewhere.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.new"));
        std::fs::write(&beside, bytes)?;
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode))?;
        std::fs::rename(&beside, path)
    };
    put().map_err(|error| {
        io::Error::new(error.kind(), format!("writing {}: {error}", path.display()))
    })
}

pub(super) fn flags() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV
}

pub(super) fn step<T>(what: &str, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}
