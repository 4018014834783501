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
        Err(_) if std::fs::read_to_string(&file).is_ok_and(|now| says(&now, value)) => Ok(()),
        Err(error) => {
            let text = format!("the kernel setting {path} = {value}: {error}");
            Err(io::Error::new(error.kind(), text))
        }
    }
}

/// The kernel parts several numbers by tabs, whatever parted them when they were written.
fn says(now: &str, value: &str) -> bool {
    now.split_whitespace().eq(value.split_whitespace())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::check::{Source, load};
    use crate::kernel::testing::{answer, ask, connected, in_own_network, link, new_fabric};
    use crate::plan::{after_links, before_links, plan};
    use crate::service::Catalogue;

    /// What a host might hand down to its namespaces, each the contrary of what a lab needs.
    const HOSTILE: [(&str, &str); 14] = [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv4/conf/all/rp_filter", "1"),
        ("net/ipv4/conf/default/rp_filter", "1"),
        ("net/ipv4/conf/all/accept_redirects", "1"),
        ("net/ipv4/conf/default/accept_redirects", "1"),
        ("net/ipv4/conf/all/send_redirects", "1"),
        ("net/ipv4/conf/default/send_redirects", "1"),
        ("net/ipv4/conf/all/arp_ignore", "8"),
        ("net/ipv4/conf/default/arp_ignore", "8"),
        ("net/ipv4/conf/default/arp_announce", "2"),
        ("net/ipv4/conf/default/arp_filter", "1"),
        ("net/ipv4/conf/all/proxy_arp", "1"),
        ("net/ipv4/ip_unprivileged_port_start", "1024"),
    ];

    fn owned(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = settings.iter();
        owned
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// As a plan has them, of a node on the segment `lan`.
    fn settings_of_a_node() -> BTreeMap<String, String> {
        let file = std::env::temp_dir().join(format!("tierlab-host-{}.yaml", std::process::id()));
        let text = "lab: x\nsegments:\n  lan: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: lan }\n";
        std::fs::write(&file, text).unwrap();
        let source = Source::File {
            path: file.clone(),
            overlays: Vec::new(),
        };
        let none = Catalogue::new(&[]);
        let lab = load(&source, none).lab.unwrap();
        std::fs::remove_file(file).unwrap();
        plan(&lab, none).nodes["a"].sysctls.clone()
    }

    fn read(namespace: &NetNs, path: &str) -> String {
        let read = || std::fs::read_to_string(Path::new("/proc/sys").join(path));
        let now = namespace.within(read).unwrap();
        now.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_node_is_the_same_whatever_the_host_hands_down() {
        in_own_network(
            module_path!(),
            "a_node_is_the_same_whatever_the_host_hands_down",
            || async {
                let plan = settings_of_a_node();
                let fabric = new_fabric(&["lan"]).await?;
                // The bridges' own, which no packet of a lab may meet.
                for file in ["iptables", "ip6tables", "arptables"] {
                    let path = format!("net/bridge/bridge-nf-call-{file}");
                    if Path::new("/proc/sys").join(&path).exists() {
                        assert_eq!(read(fabric.namespace(), &path), "0");
                    }
                }
                let node = crate::kernel::testing::new_node()?;
                let hostile = owned(&HOSTILE);
                write(node.namespace(), &hostile)?;
                for (path, value) in &hostile {
                    assert_eq!(read(node.namespace(), path), *value, "{path}");
                }
                // As a node begins: settings, links, the rest.
                write(node.namespace(), &before_links(&plan))?;
                let leg = link("lan", &["10.0.0.2/24"]);
                fabric
                    .connect_node(&node, &[("lan".to_owned(), &leg)], &[])
                    .await?;
                write(node.namespace(), &after_links(&plan))?;
                for (path, value) in &plan {
                    let optional = OPTIONAL.iter().any(|part| path.starts_with(part));
                    if !optional || Path::new("/proc/sys").join(path).exists() {
                        assert_eq!(read(node.namespace(), path), *value, "{path}");
                    }
                }
                let other = connected(&fabric, &[link("lan", &["10.0.0.3/24"])], &[]).await?;
                answer(&node, 80, "node")?;
                assert_eq!(ask(&other, "10.0.0.2:80").await?, "node 10.0.0.3");
                Ok(())
            },
        );
    }
}
