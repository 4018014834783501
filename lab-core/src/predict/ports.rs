//! Which ports are worth asking about.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::kind::Kind;
use crate::check::{BalancerMode, Lab, Nat, Traffic};
use crate::plan::{Plan, Transport};

/// Ports that a lab seldom names, as a sample of all the others: SSH, SMB, RDP; SNMP.
const OTHERS: [Kind; 4] = [
    Kind::Tcp(22),
    Kind::Tcp(445),
    Kind::Tcp(3389),
    Kind::Udp(161),
];

/// Every TCP and UDP port that an ACL, a VIP, a forwarded port or a service of the lab names, of a range
/// the first and the last, and a sample of others; in order.
pub fn kinds(lab: &Lab, plan: &Plan) -> Vec<Kind> {
    let mut kinds = BTreeSet::from(OTHERS);
    for traffic in named(lab) {
        let (ends, of): (_, fn(u16) -> Kind) = match traffic {
            Traffic::Tcp(range) => (range, Kind::Tcp),
            Traffic::Udp(range) => (range, Kind::Udp),
            Traffic::Icmp | Traffic::IcmpErrors | Traffic::Protocol(_) => continue,
        };
        if !is_all(ends) {
            kinds.insert(of(*ends.start()));
            kinds.insert(of(*ends.end()));
        }
    }
    kinds.extend(listened(plan));
    for balancer in lab.balancers.values() {
        if let BalancerMode::Layer7 { port, .. } = balancer.mode {
            kinds.insert(Kind::Tcp(port));
        }
    }
    kinds.into_iter().collect()
}

/// One port of each class of ports that no rule of these labs tells apart, the class with it (`443`,
/// `50000-50100`; `other` for what no rule names); then ICMP and the IP protocols that rules name.
pub(super) fn classes<'l>(labs: impl Iterator<Item = (&'l Lab, &'l Plan)>) -> Vec<(Kind, String)> {
    let mut tcp: Vec<RangeInclusive<u16>> = Vec::new();
    let mut udp: Vec<RangeInclusive<u16>> = Vec::new();
    let mut rest = BTreeSet::from([Kind::Icmp]);
    for (lab, plan) in labs {
        for traffic in named(lab) {
            match traffic {
                Traffic::Tcp(range) if !is_all(range) => tcp.push(range.clone()),
                Traffic::Udp(range) if !is_all(range) => udp.push(range.clone()),
                Traffic::Protocol(number) if !matches!(number, 1 | 6 | 17 | 58) => {
                    rest.insert(Kind::Protocol(*number));
                }
                _ => {}
            }
        }
        for kind in listened(plan) {
            match kind {
                Kind::Udp(port) => udp.push(port..=port),
                Kind::Tcp(port) => tcp.push(port..=port),
                _ => {}
            }
        }
    }
    let of = |of: fn(u16) -> Kind, word: &str, ranges: &[RangeInclusive<u16>]| {
        let classes = split(ranges)
            .into_iter()
            .map(|(port, class)| (of(port), format!("{word}/{class}")));
        classes.collect::<Vec<_>>()
    };
    let mut classes = of(Kind::Tcp, "tcp", &tcp);
    classes.extend(of(Kind::Udp, "udp", &udp));
    classes.extend(rest.into_iter().map(|kind| (kind, kind.to_string())));
    classes
}

/// Ranges cut where any begins or ends, and one port that is in none.
fn split(ranges: &[RangeInclusive<u16>]) -> Vec<(u16, String)> {
    let mut cuts: BTreeSet<u32> = BTreeSet::new();
    for range in ranges {
        cuts.insert(u32::from(*range.start()));
        cuts.insert(u32::from(*range.end()) + 1);
    }
    let cuts: Vec<u32> = cuts.into_iter().collect();
    let mut classes: Vec<(u16, String)> = cuts
        .windows(2)
        .filter_map(|pair| {
            let (first, end) = (u16::try_from(pair[0]).ok()?, pair[1]);
            let last = u16::try_from(end - 1).ok()?;
            ranges.iter().any(|range| range.contains(&first)).then(|| {
                let class = match first == last {
                    true => first.to_string(),
                    false => format!("{first}-{last}"),
                };
                (first, class)
            })
        })
        .collect();
    let unnamed = (1..=u16::MAX).find(|port| !ranges.iter().any(|range| range.contains(port)));
    classes.extend(unnamed.map(|port| (port, "other".to_owned())));
    classes
}

fn is_all(range: &RangeInclusive<u16>) -> bool {
    *range.start() == 0 && *range.end() == u16::MAX
}

fn named(lab: &Lab) -> impl Iterator<Item = &Traffic> {
    let rules = lab.nodes.values().filter_map(|node| node.acl.as_ref());
    let rules = rules.flat_map(|acl| acl.rules.iter().chain([&acl.default]));
    let forwarded = lab.nodes.values().flat_map(|node| &node.nat);
    let forwarded = forwarded.filter_map(|nat| match nat {
        Nat::Forward { traffic, .. } => Some(traffic),
        Nat::Masquerade { .. } => None,
    });
    let balanced = lab
        .balancers
        .values()
        .flat_map(|balancer| match &balancer.mode {
            BalancerMode::Layer4 { ports, .. } => ports.as_slice(),
            BalancerMode::Layer7 { .. } => &[],
        });
    rules
        .flat_map(|rule| &rule.traffic)
        .chain(forwarded)
        .chain(balanced)
}

fn listened(plan: &Plan) -> impl Iterator<Item = Kind> {
    let processes = plan.nodes.values().flat_map(|node| &node.processes);
    processes
        .flat_map(|process| &process.listens)
        .map(|listen| match listen.protocol {
            Transport::Tcp => Kind::Tcp(listen.port),
            Transport::Udp => Kind::Udp(listen.port),
        })
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn ports_that_no_range_tells_apart_are_one_class() {
        let classes = split(&[10..=20, 15..=30, 40..=40, 1..=1]);
        let words: Vec<_> = classes.iter().map(|(_, class)| class.as_str()).collect();
        assert_eq!(words, ["1", "10-14", "15-20", "21-30", "40", "other"]);
        assert_eq!(classes.last().map(|(port, _)| *port), Some(2));
        assert_eq!(split(&[]), [(1, "other".to_owned())]);
    }
}
