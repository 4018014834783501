//! The root folder from which each node starts, made once by the lab's first process: the host's
//! folders, read-only, each below an overlay.
//!
//! The overlay is what keeps Unix sockets and named pipes of the host out of reach: a read-only
//! mount does not, whoever may write to such a file may talk to who listens. In an overlay they are
//! other inodes, at which nobody listens. Locks and change notices stop there as well.

use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::root::{flags, step};
use crate::kernel::mount;
use nix::mount::MsFlags;

/// Where the template lies, on a tmpfs of the first process.
pub(super) const TEMPLATE: &str = "/tmp/template";
/// Where a node makes its root folder of it.
pub(super) const ROOT: &str = "/tmp/root";
/// Where a node's overlay keeps what changed below /etc.
pub(super) const SCRATCH: &str = "/tmp/scratch";
/// The folders of /etc once more, owned by the lab's root: on top of the host's, whose owner is
/// nobody in here, they let a node put files into them.
pub(super) const FOLDERS: &str = "/tmp/folders";
/// /etc once more with its files, where something is mounted in it (a container engine mounts
/// hosts and resolv.conf): the kernel refuses an overlay on a folder whose mounts are locked.
pub(super) const COPY: &str = "/tmp/etc";
/// Bytes of the largest file that is copied; what is larger is no configuration.
const LARGEST_COPY: u64 = 1 << 20;
/// The processes of the lab, as the first one sees them.
pub(super) const PROCESSES: &str = "/tmp/proc";
/// What services of nodes store, a mount for each node that has such a service.
pub(super) const STORES: &str = "/tmp/stores";
/// An overlay without an upper layer wants two lower ones.
const EMPTY: &str = "/tmp/empty";

/// Of the host's root folder these have nothing for a node: it gets its own, or none.
const OWN: [&str; 7] = ["/dev", "/etc", "/proc", "/run", "/srv", "/sys", "/tmp"];

/// Makes the template. `hidden` folders are empty in it.
///
/// # Errors
/// A sentence with the step that was refused.
pub(super) fn prepare(hidden: &[PathBuf]) -> io::Result<()> {
    step("making mounts private", mount::make_private())?;
    let points = step("reading the mounts", mount::points())?;
    let copied = is_divided(Path::new("/etc"), &points);
    let (etc, options) = if copied {
        (COPY, "mode=0755,size=64m")
    } else {
        (FOLDERS, "mode=0755,size=8m")
    };
    step(
        "a tmpfs",
        mount::mount("tmpfs", Path::new("/tmp"), options, flags()),
    )?;
    for folder in [TEMPLATE, ROOT, SCRATCH, STORES, etc, PROCESSES, EMPTY] {
        std::fs::create_dir(folder)?;
    }
    step(
        "/proc",
        mount::mount(
            "proc",
            Path::new(PROCESSES),
            "",
            flags() | MsFlags::MS_NOEXEC,
        ),
    )?;
    copy_tree(Path::new("/etc"), Path::new(etc), copied);
    // A mount of its own, that a node can copy with all below it.
    step(
        "a tmpfs for the root folder",
        mount::mount("tmpfs", Path::new(TEMPLATE), "mode=0755,size=8m", flags()),
    )?;
    for entry in std::fs::read_dir("/")?.flatten() {
        let path = entry.path();
        if OWN.iter().any(|own| path == Path::new(own)) {
            std::fs::create_dir(inside(&path))?;
        } else {
            show(&path, &points)?;
        }
    }
    let served = inside(Path::new("/srv"));
    if !served.is_dir() {
        std::fs::create_dir(served)?;
    }
    nix::unistd::chdir("/")?;
    for folder in hidden {
        // By its real path: what leads there may be a link.
        let Ok(real) = folder.canonicalize() else {
            continue;
        };
        let covered = inside(&real);
        if covered.is_dir() {
            step(&covered.display().to_string(), cover(&covered))?;
        }
    }
    step(
        "making it read-only",
        mount::make_read_only(Path::new(TEMPLATE)),
    )
}

/// Folders that are homes or hold what people keep: the host's usual ones and the caller's.
pub(super) fn homes() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = [
        "/home",
        "/root",
        "/mnt",
        "/media",
        "/var/mail",
        "/var/spool",
    ]
    .map(PathBuf::from)
    .into();
    let caller = std::env::var_os("HOME").map(PathBuf::from);
    homes.extend(caller.filter(|home| home.is_absolute() && home.parent().is_some()));
    let mut homes: Vec<PathBuf> = homes
        .iter()
        .filter_map(|home| home.canonicalize().ok())
        .collect();
    homes.sort();
    // What lies below another one is hidden with it.
    homes.dedup_by(|next, previous| next.starts_with(previous));
    homes
}

/// An empty folder in the place of what is there.
///
/// # Errors
/// What mount(2) says.
pub(super) fn cover(folder: &Path) -> io::Result<()> {
    let options = "mode=0555,size=4k,nr_inodes=1";
    mount::mount("tmpfs", folder, options, flags() | MsFlags::MS_RDONLY)
}

fn inside(path: &Path) -> PathBuf {
    Path::new(TEMPLATE).join(path.strip_prefix("/").unwrap_or(path))
}

/// Shows a file, a link or a folder of the host in the template.
fn show(path: &Path, points: &[PathBuf]) -> io::Result<()> {
    let to = inside(path);
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(());
    };
    if metadata.is_symlink() {
        return symlink(std::fs::read_link(path)?, to);
    }
    if metadata.is_file() {
        std::fs::write(&to, "")?;
        return step(&path.display().to_string(), mount::bind(path, &to));
    }
    if !metadata.is_dir() {
        return Ok(());
    }
    std::fs::create_dir(&to)?;
    // The kernel shows no part of a tree without what is mounted on it: such a folder is made anew,
    // what is in it one by one.
    if is_divided(path, points) {
        let mode = metadata.permissions().mode() & 0o1777;
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            show(&entry.path(), points)?;
        }
        return std::fs::set_permissions(&to, std::fs::Permissions::from_mode(mode));
    }
    if nix::unistd::chdir(path).is_err() {
        // Nobody in the lab may enter it.
        return Ok(());
    }
    // By the current folder: a path could hold what separates options.
    let options = format!("lowerdir=.:{EMPTY},userxattr");
    let shown = mount::mount("overlay", &to, &options, flags() | MsFlags::MS_RDONLY);
    match shown {
        // Some file systems can't lie below an overlay (autofs, some FUSE): no node sees them.
        Err(error) if !path.starts_with("/usr") => {
            eprintln!("nodes do not see {}: {error}", path.display());
            Ok(())
        }
        result => step(&path.display().to_string(), result),
    }
}

/// Whether something is mounted in a folder.
fn is_divided(folder: &Path, points: &[PathBuf]) -> bool {
    points
        .iter()
        .any(|point| point != folder && point.starts_with(folder))
}

/// Copies the folders below a folder, those that everybody may enter, and, if they shall come, too,
/// the files that can be read. What can't be copied is not there: nobody in a node could read it.
fn copy_tree(from: &Path, to: &Path, with_files: bool) {
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if metadata.is_dir() {
            if metadata.permissions().mode() & 0o005 == 0o005 && std::fs::create_dir(&copy).is_ok()
            {
                copy_tree(&path, &copy, with_files);
            }
        } else if with_files && metadata.is_symlink() {
            let _ = std::fs::read_link(&path).and_then(|target| symlink(target, &copy));
        } else if with_files && metadata.is_file() && metadata.len() <= LARGEST_COPY {
            let _ = std::fs::copy(&path, &copy);
        }
    }
}
