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
