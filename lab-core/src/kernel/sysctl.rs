//! Kernel settings of a network namespace, below `/proc/sys`.

use std::collections::BTreeMap;
use std::io;

use super::netns::NetNs;

/// Writes settings: path below `/proc/sys` (`net/ipv4/ip_forward`) → value. A kernel without IPv6 or
/// without a part of netfilter lacks those paths; they are left out.
///
/// # Errors
/// The kernel refuses a value; the error names the path.
pub fn write(namespace: &NetNs, settings: &BTreeMap<String, String>) -> io::Result<()> {
    // /proc/sys/net shows the namespace of who opens it.
    namespace.within(|| {
        for (path, value) in crate::plan::in_writing_order(settings) {
            match std::fs::write(format!("/proc/sys/{path}"), value) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && may_lack(path) => {}
                Err(error) => {
                    let text = format!("the kernel setting {path} = {value}: {error}");
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
        Ok(())
    })
}

fn may_lack(path: &str) -> bool {
    path.starts_with("net/ipv6/") || path.starts_with("net/netfilter/")
}
