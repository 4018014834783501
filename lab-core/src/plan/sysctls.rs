//! Kernel settings of a node. A new namespace may copy those of the host, so each that matters is
//! set everywhere.

use std::collections::BTreeMap;

use crate::check::Node;

/// Settings of a node; `forwards` where it translates connections without being a router.
pub(super) fn of(node: &Node, has_rules: bool, balances: bool) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut set = |path: String, value: &str| settings.insert(path, value.to_owned());
    let forwards = if node.router || balances { "1" } else { "0" };
    set("net/ipv4/ip_forward".into(), forwards);
    set("net/ipv6/conf/all/forwarding".into(), forwards);
    // Programs that ping without a raw socket; every service may bind its low port.
    set("net/ipv4/ping_group_range".into(), "0 0");
    set("net/ipv4/ip_unprivileged_port_start".into(), "0");
    // A refusal is what people look for: none is held back because others went before it.
    set("net/ipv4/icmp_ratemask".into(), "0");
    if has_rules {
        set("net/netfilter/nf_conntrack_acct".into(), "1");
    }
    let interfaces = node.attachments.iter().map(|leg| leg.segment.as_str());
    for interface in ["all", "default"].into_iter().chain(interfaces) {
        let v4 = |name: &str| format!("net/ipv4/conf/{interface}/{name}");
        // Asymmetric ways are `check`'s to find, not the kernel's to swallow.
        set(v4("rp_filter"), "0");
        set(v4("accept_redirects"), "0");
        set(v4("send_redirects"), "0");
        set(v4("accept_source_route"), "0");
        set(v4("arp_ignore"), "0");
        set(v4("arp_announce"), "0");
        set(v4("arp_filter"), "0");
        set(v4("proxy_arp"), "0");
        let v6 = |name: &str| format!("net/ipv6/conf/{interface}/{name}");
        set(v6("accept_ra"), "0");
        set(v6("accept_dad"), "0");
        set(v6("accept_redirects"), "0");
    }
    for leg in &node.attachments {
        // A leg without an IPv6 address has none to itself either: no chatter on the segment.
        let off = if leg.addresses.iter().any(|net| net.addr().is_ipv6()) {
            "0"
        } else {
            "1"
        };
        set(format!("net/ipv6/conf/{}/disable_ipv6", leg.segment), off);
    }
    settings
}

/// What a node sets before it has links: an interface begins with the values of `default`. Where no
/// leg speaks IPv6, that holds for all of them from the first moment on.
pub fn before_links(settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut early: BTreeMap<String, String> = settings
        .iter()
        .filter(|(path, _)| interface_of(path).is_none() && !path.starts_with("net/netfilter/"))
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect();
    let mut legs = settings
        .iter()
        .filter(|(path, _)| interface_of(path).is_some() && path.ends_with("/disable_ipv6"))
        .peekable();
    if legs.peek().is_some() && legs.all(|(_, value)| value == "1") {
        early.insert(SILENT.into(), "1".into());
    }
    early
}

/// What is left to set when the links and rules stand: what differs from `default`, and what there
/// is only with connection tracking. Interfaces that come later may speak IPv6.
pub fn after_links(settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let early = before_links(settings);
    let inherited = |path: &str, value: &String| match interface_of(path) {
        Some((before, after)) => early.get(&format!("{before}default{after}")) == Some(value),
        None => early.contains_key(path),
    };
    let mut late: BTreeMap<String, String> = settings
        .iter()
        .filter(|(path, value)| !inherited(path, value))
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect();
    if early.contains_key(SILENT) && !settings.contains_key(SILENT) {
        late.insert(SILENT.into(), "0".into());
    }
    late
}

/// New interfaces have no IPv6.
const SILENT: &str = "net/ipv6/conf/default/disable_ipv6";

/// What stands before and after the interface in the path of a setting of a single one.
fn interface_of(path: &str) -> Option<(&str, &str)> {
    let at = path.find("/conf/")? + "/conf/".len();
    let end = at + path[at..].find('/')?;
    let single = !matches!(&path[at..end], "all" | "default");
    single.then(|| (&path[..at], &path[end..]))
}

/// Settings in the order they must be written: forwarding resets others (ip-sysctl.rst), and `all`
/// and `default` come before single interfaces.
pub fn in_writing_order(settings: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let mut ordered: Vec<(&str, &str)> = settings
        .iter()
        .map(|(path, value)| (path.as_str(), value.as_str()))
        .collect();
    ordered.sort_by_key(|(path, _)| {
        if path.ends_with("/ip_forward") || path.ends_with("/forwarding") {
            0
        } else if path.contains("/conf/all/") || path.contains("/conf/default/") {
            1
        } else {
            2
        }
    });
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = lines.iter();
        owned
            .map(|(path, value)| ((*path).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn an_interface_inherits_what_default_says() {
        let all = settings(&[
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            ("net/ipv4/conf/lan/rp_filter", "0"),
            ("net/ipv4/conf/lan/proxy_arp", "1"),
            ("net/netfilter/nf_conntrack_acct", "1"),
            ("net/ipv6/conf/lan/disable_ipv6", "1"),
        ]);
        let early = settings(&[
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            (SILENT, "1"),
        ]);
        assert_eq!(before_links(&all), early);
        let late = settings(&[
            ("net/ipv4/conf/lan/proxy_arp", "1"),
            ("net/netfilter/nf_conntrack_acct", "1"),
            (SILENT, "0"),
        ]);
        assert_eq!(after_links(&all), late);
    }

    #[test]
    fn one_leg_with_ipv6_keeps_the_others_silent_one_by_one() {
        let all = settings(&[
            ("net/ipv6/conf/lan/disable_ipv6", "1"),
            ("net/ipv6/conf/wan/disable_ipv6", "0"),
        ]);
        assert_eq!(before_links(&all), settings(&[]));
        assert_eq!(after_links(&all), all);
    }
}
