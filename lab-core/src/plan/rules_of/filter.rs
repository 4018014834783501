//! ACLs: what a router forwards, and what is sent to itself.

use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::{balances, ports_of, traffic};
use crate::check::{Acl, AclRule, Lab, Nat, Node, Traffic};
use crate::plan::{Action, Chain, Hook, Match, PortRange, Rule};

pub(super) fn chains(lab: &Lab, node: &Node) -> Vec<Chain> {
    match &node.acl {
        Some(acl) => vec![input(acl), forward(node, acl)],
        // It forwards for its VIPs and for nothing else.
        None if balances(lab, node) && !node.router => vec![only_translated()],
        None => Vec::new(),
    }
}

fn stateful(id: &str, condition: Match, action: Action) -> Rule {
    Rule {
        id: id.into(),
        place: None,
        matches: vec![condition],
        mark: None,
        action,
    }
}

fn beginning() -> Vec<Rule> {
    vec![
        stateful("established", Match::Established, Action::Accept),
        stateful("invalid", Match::Invalid, Action::Drop),
        stateful(
            "neighbour discovery",
            Match::NeighbourDiscovery,
            Action::Accept,
        ),
    ]
}

fn input(acl: &Acl) -> Chain {
    let mut rules = beginning();
    rules.push(stateful(
        "loopback",
        Match::Inbound("lo".into()),
        Action::Accept,
    ));
    // What is sent to the router leaves by no interface.
    let concerned = |rule: &&AclRule| rule.outbound.is_none();
    rules.extend(
        numbered(acl)
            .filter(|(_, rule)| concerned(rule))
            .flat_map(|(mark, rule)| expand(mark, rule)),
    );
    Chain {
        name: "input".into(),
        hook: Some(Hook::Input),
        rules,
    }
}

fn forward(node: &Node, acl: &Acl) -> Chain {
    let mut rules = beginning();
    if node
        .nat
        .iter()
        .any(|nat| matches!(nat, Nat::Forward { .. }))
    {
        rules.push(stateful(
            "forwarded port",
            Match::Translated,
            Action::Accept,
        ));
    }
    rules.extend(numbered(acl).flat_map(|(mark, rule)| expand(mark, rule)));
    Chain {
        name: "forward".into(),
        hook: Some(Hook::Forward),
        rules,
    }
}

fn only_translated() -> Chain {
    let rules = vec![
        stateful("established", Match::Established, Action::Accept),
        stateful("vip", Match::Translated, Action::Accept),
        Rule {
            id: "not a router".into(),
            place: None,
            matches: Vec::new(),
            mark: None,
            action: Action::Drop,
        },
    ];
    Chain {
        name: "forward".into(),
        hook: Some(Hook::Forward),
        rules,
    }
}

/// Rules with the mark that a connection they decide gets: their number, from 1.
fn numbered(acl: &Acl) -> impl Iterator<Item = (u32, &AclRule)> {
    (1..).zip(acl.rules.iter().chain([&acl.default]))
}

/// One rule for each family and each kind of traffic; addresses and ports are sets.
fn expand(mark: u32, rule: &AclRule) -> Vec<Rule> {
    let mut rules = Vec::new();
    for v4 in [true, false] {
        let any_family = rule.from.is_empty() && rule.to.is_empty();
        if any_family && !v4 {
            break;
        }
        let (Some(from), Some(to)) = (
            addresses(&rule.from, v4, Match::Source, Match::Sources),
            addresses(&rule.to, v4, Match::Destination, Match::Destinations),
        ) else {
            continue;
        };
        for kind in kinds(&rule.traffic) {
            let matches = [
                rule.inbound.clone().map(Match::Inbound),
                rule.outbound.clone().map(Match::Outbound),
                from.clone(),
                to.clone(),
                kind,
            ];
            rules.push(Rule {
                id: rule.id.clone(),
                place: (rule.place.line > 0).then(|| rule.place.to_string()),
                matches: matches.into_iter().flatten().collect(),
                mark: Some(mark),
                action: if rule.permit {
                    Action::Accept
                } else {
                    Action::Drop
                },
            });
        }
    }
    rules
}

/// The condition on addresses of one family. Outside: there are addresses, but none of this family.
/// Inside: any address will do.
#[allow(clippy::option_option)]
fn addresses(
    nets: &[IpNet],
    v4: bool,
    one: fn(IpNet) -> Match,
    several: fn(Vec<IpNet>) -> Match,
) -> Option<Option<Match>> {
    if nets.is_empty() {
        return Some(None);
    }
    let family: Vec<IpNet> = nets
        .iter()
        .filter(|net| net.addr().is_ipv4() == v4)
        .map(IpNet::trunc)
        .collect();
    match IpNet::aggregate(&family)[..] {
        [] => None,
        [net] => Some(Some(one(net))),
        ref nets => Some(Some(several(nets.to_vec()))),
    }
}

/// The conditions on traffic: ports of a protocol together; a single `None` for any traffic.
fn kinds(traffics: &[Traffic]) -> Vec<Option<Match>> {
    if traffics.is_empty() {
        return vec![None];
    }
    let ports = |of: fn(&Traffic) -> Option<&RangeInclusive<u16>>| -> Vec<PortRange> {
        joined(traffics.iter().filter_map(of).map(ports_of).collect())
    };
    let tcp = ports(|kind| {
        if let Traffic::Tcp(ports) = kind {
            Some(ports)
        } else {
            None
        }
    });
    let udp = ports(|kind| {
        if let Traffic::Udp(ports) = kind {
            Some(ports)
        } else {
            None
        }
    });
    let one_or_several = |ports: Vec<PortRange>,
                          one: fn(PortRange) -> Match,
                          several: fn(Vec<PortRange>) -> Match| {
        match ports[..] {
            [] => None,
            [ports] => Some(one(ports)),
            _ => Some(several(ports)),
        }
    };
    let others = traffics
        .iter()
        .filter(|kind| !matches!(kind, Traffic::Tcp(_) | Traffic::Udp(_)))
        .map(traffic);
    [
        one_or_several(tcp, Match::Tcp, Match::TcpPorts),
        one_or_several(udp, Match::Udp, Match::UdpPorts),
    ]
    .into_iter()
    .flatten()
    .chain(others)
    .map(Some)
    .collect()
}

/// Ranges in order, those that touch made one.
fn joined(mut ranges: Vec<PortRange>) -> Vec<PortRange> {
    ranges.sort();
    let mut joined: Vec<PortRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if u32::from(range.first) <= u32::from(last.last) + 1 => {
                last.last = last.last.max(range.last)
            }
            _ => joined.push(range),
        }
    }
    joined
}
