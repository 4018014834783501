//! Kernel settings of one network namespace.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::netns::NetNs;

/// Settings below these come with parts of the kernel that not every kernel has. Where the part
/// is missing there is nothing to set.
const OPTIONAL: [&str; 3] = ["net/ipv6", "net/netfilter", "net/bridge"];

/// Writes settings by their path below /proc/sys (`net/ipv4/ip_forward` → `1`). All are of the
/// namespace: a path that is not below `net/` is refused.
///
/// # Errors
/// The kernel has no such setting (but for IPv6, connection tracking and bridges), refuses the
/// value, or /proc/sys is read-only and the value is another one.
pub fn write(namespace: &NetNs, settings: &BTreeMap<String, String>) -> io::Result<()> {
    if settings.is_empty() {
        return Ok(());
    }
    // /proc/sys/net shows the namespace of the thread that looks.
    let _inside = namespace.enter()?;
    for (path, value) in settings {
        set(path, value)?;
    }
    Ok(())
}

fn set(path: &str, value: &str) -> io::Result<()> {
    let file = file_of(path)?;
    match std::fs::write(&file, value) {
        Ok(()) => Ok(()),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && OPTIONAL.iter().any(|part| Path::new(path).starts_with(part)) =>
        {
            Ok(())
        }
        // Container engines mount /proc/sys read-only; good enough if it says the right thing.
        Err(_) if std::fs::read_to_string(&file).is_ok_and(|now| now.trim() == value) => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("the kernel refused {path} = {value}: {error}"),
        )),
    }
}

fn file_of(path: &str) -> io::Result<PathBuf> {
    let relative = Path::new(path);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || !relative.starts_with("net") {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{path}` is no setting of a network; those look like net/ipv4/ip_forward"),
        ));
    }
    Ok(Path::new("/proc/sys").join(relative))
}
