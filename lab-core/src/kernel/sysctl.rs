//! Kernel settings of a network namespace, below `/proc/sys`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use super::netns::NetNs;

/// Settings below these come with parts of the kernel that not every kernel has; where the part is
/// missing there is nothing to set.
const OPTIONAL: [&str; 3] = ["net/ipv6", "net/netfilter", "net/bridge"];

/// Writes settings: path below `/proc/sys` (`net/ipv4/ip_forward`) → value. All are of the
/// namespace: a path that is not below `net/` is refused. A kernel without IPv6 or without a part
/// of netfilter lacks those paths; they are left out.
///
/// # Errors
/// The kernel refuses a value, or `/proc/sys` is read-only and says another one; the error names
/// the path.
pub fn write(namespace: &NetNs, settings: &BTreeMap<String, String>) -> io::Result<()> {
    // /proc/sys/net shows the namespace of the thread that opens it.
    namespace.within(|| write_own(settings))
}

/// [`write()`] for the namespace that the calling thread is in. A node writes its own: in a `/proc`
/// of its own the kernel looks among its settings alone, in a shared one among all nodes'.
///
/// # Errors
/// As there.
pub fn write_own(settings: &BTreeMap<String, String>) -> io::Result<()> {
    for (path, value) in crate::plan::in_writing_order(settings) {
        set(path, value)?;
    }
    Ok(())
}

fn set(path: &str, value: &str) -> io::Result<()> {
    let relative = Path::new(path);
    let plain = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || !relative.starts_with("net") {
        let text = format!("`{path}` is no setting of a network (net/ipv4/ip_forward is one)");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let file = Path::new("/proc/sys").join(relative);
    match std::fs::write(&file, value) {
        Ok(()) => Ok(()),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && OPTIONAL.iter().any(|part| relative.starts_with(part)) =>
        {
            Ok(())
        }
        // Container engines mount /proc/sys read-only: good enough if it says the right thing.
        Err(_) if std::fs::read_to_string(&file).is_ok_and(|now| now.trim() == value) => Ok(()),
        Err(error) => {
            let text = format!("the kernel setting {path} = {value}: {error}");
            Err(io::Error::new(error.kind(), text))
        }
    }
}
