//! The rule that would almost have let a packet pass, and what it needs.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::kind::Kind;
use super::rules::{Seen, State, holds};
use super::way::Packet;
use crate::plan::{Action, Hook, Match, NodePlan, Plan, PortRange, Rule};

/// A rule that permits, and what the packet lacks for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nearest {
    /// Its id.
    pub rule: String,
    /// What people wrote about it.
    pub note: Option<String>,
    /// `file:line` behind it.
    pub place: Option<String>,
    /// What it needs, all of it.
    pub needs: Vec<Need>,
}

/// A condition that a packet does not meet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Need {
    /// `port`, `protocol`, `source`, `destination`, `inbound` or `outbound`.
    pub what: &'static str,
    /// What it must be, in words.
    pub wanted: String,
}

/// What things are called, for people.
pub(super) trait Called {
    /// What people wrote about a rule of a node.
    fn note(&self, node: &str, rule: &Rule) -> Option<String>;
    /// Whose an address is.
    fn name_of(&self, address: IpAddr) -> Option<String>;
    /// The segment with this prefix.
    fn segment_of(&self, net: &IpNet) -> Option<&str>;
}

impl Called for Plan {
    fn note(&self, _: &str, rule: &Rule) -> Option<String> {
        self.notes.get(rule.place.as_ref()?).cloned()
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        let mut nodes = self.nodes.values();
        let holds = |node: &&NodePlan| {
            let mut own = node.links.iter().flat_map(|link| &link.addresses);
            own.any(|one| one.addr() == address)
        };
        nodes.find(holds).map(|node| node.name.clone())
    }

    fn segment_of(&self, net: &IpNet) -> Option<&str> {
        let mut segments = self.segments.iter();
        let found = segments
            .find(|(_, segment)| segment.prefixes.iter().any(|prefix| prefix.trunc() == *net));
        found.map(|(name, _)| name.as_str())
    }
}

impl Nearest {
    /// For a packet that a rule stopped when it came to a node by a segment. `chain` and `place` name
    /// that rule, which must be one of the plan's.
    pub fn to(
        plan: &Plan,
        node: &str,
        segment: &str,
        chain: &str,
        place: &str,
        packet: Packet,
    ) -> Option<Self> {
        let node = plan.nodes.get(node)?;
        let chain = node.rules.chains.iter().find(|one| one.name == chain)?;
        let by = (chain.rules.iter()).find(|rule| rule.place.as_deref() == Some(place))?;
        let link = node.links.iter().find(|link| link.segment == segment);
        let seen = Seen {
            packet,
            state: State::New,
            translated: false,
            inbound: link.map(|link| link.interface.as_str()),
            outbound: None,
        };
        nearest(plan, node, chain.hook?, Some(by), &seen)
    }
}

/// The permitting rule of the chain that lacks least; the first of several. `by` is the rule that
/// decided: one behind it helps only where what it needs leads past that one, too.
pub(super) fn nearest(
    model: &dyn Called,
    node: &NodePlan,
    hook: Hook,
    by: Option<&Rule>,
    seen: &Seen<'_>,
) -> Option<Nearest> {
    let chain = node
        .rules
        .chains
        .iter()
        .find(|chain| chain.hook == Some(hook))?;
    let family = seen.packet.destination.is_ipv4();
    let mut passed = false;
    chain
        .rules
        .iter()
        .map(|rule| {
            passed |= by.is_some_and(|by| std::ptr::eq(by, rule));
            (rule, passed)
        })
        // Rules with a mark are those of the lab file.
        .filter(|(rule, _)| rule.action == Action::Accept && rule.mark.is_some())
        .filter_map(|(rule, behind)| {
            let lacking = lacking(rule, seen);
            let decisive = by.map(|by| by.matches.as_slice()).unwrap_or_default();
            let leads_past = lacking
                .iter()
                .any(|one| decisive.iter().any(|two| aspect(one) == aspect(two)));
            if behind && !decisive.is_empty() && !leads_past {
                return None;
            }
            // An error is about another packet, and no packet changes its family.
            let impossible = lacking.iter().any(|condition| {
                matches!(condition, Match::IcmpErrors | Match::NeighbourDiscovery)
                    || nets(condition)
                        .is_some_and(|nets| nets.iter().all(|net| net.addr().is_ipv4() != family))
            });
            (!impossible).then(|| {
                let cost: u32 = lacking.iter().map(|condition| cost(condition, seen)).sum();
                (cost, rule, lacking)
            })
        })
        // The first of several with the same cost.
        .min_by_key(|(cost, _, _)| *cost)
        .map(|(_, rule, lacking)| Nearest {
            rule: rule.id.clone(),
            note: model.note(&node.name, rule),
            place: rule.place.clone(),
            needs: lacking
                .into_iter()
                .map(|condition| need(model, condition, seen))
                .collect(),
        })
}

fn lacking<'r>(rule: &'r Rule, seen: &Seen<'_>) -> Vec<&'r Match> {
    let conditions = rule.matches.iter();
    // Where it would have gone out need not be known.
    let unknown =
        |condition: &Match| matches!(condition, Match::Outbound(_)) && seen.outbound.is_none();
    conditions
        .filter(|condition| !holds(condition, seen) && !unknown(condition))
        .collect()
}

/// What of a packet a condition is about.
fn aspect(condition: &Match) -> &'static str {
    match condition {
        Match::Source(_) | Match::Sources(_) => "source",
        Match::Destination(_) | Match::Destinations(_) => "destination",
        Match::Inbound(_) => "inbound",
        Match::Outbound(_) => "outbound",
        Match::Established | Match::Invalid | Match::Translated => "connection",
        _ => "traffic",
    }
}

/// How far a packet is from a condition. Another port is chosen easily, another protocol less so;
/// who one is and where one goes is what it was all about.
fn cost(condition: &Match, seen: &Seen<'_>) -> u32 {
    match condition {
        Match::Tcp(_) | Match::TcpPorts(_) if matches!(seen.packet.kind, Kind::Tcp(_)) => 2,
        Match::Udp(_) | Match::UdpPorts(_) if matches!(seen.packet.kind, Kind::Udp(_)) => 2,
        Match::Source(_) | Match::Sources(_) => 4,
        Match::Destination(_) | Match::Destinations(_) => 5,
        Match::Inbound(_) | Match::Outbound(_) => 6,
        _ => 3,
    }
}

fn nets(condition: &Match) -> Option<&[IpNet]> {
    match condition {
        Match::Source(net) | Match::Destination(net) => Some(std::slice::from_ref(net)),
        Match::Sources(nets) | Match::Destinations(nets) => Some(nets),
        _ => None,
    }
}

fn need(model: &dyn Called, condition: &Match, seen: &Seen<'_>) -> Need {
    let here = |what, wanted| Need { what, wanted };
    let port = |protocol: &'static str, same: bool, ranges: &[PortRange]| {
        let ports = either(ranges.iter().map(range).collect());
        match same {
            true => here("port", ports),
            false => here("protocol", format!("{protocol} port {ports}")),
        }
    };
    let tcp = matches!(seen.packet.kind, Kind::Tcp(_));
    let udp = matches!(seen.packet.kind, Kind::Udp(_));
    match condition {
        Match::Tcp(ports) => port("TCP", tcp, &[*ports]),
        Match::TcpPorts(ports) => port("TCP", tcp, ports),
        Match::Udp(ports) => port("UDP", udp, &[*ports]),
        Match::UdpPorts(ports) => port("UDP", udp, ports),
        Match::Icmp => here("protocol", "ICMP".into()),
        Match::IcmpErrors => here("protocol", "an ICMP error".into()),
        Match::NeighbourDiscovery => here("protocol", "neighbour discovery".into()),
        Match::Protocol(number) => here("protocol", format!("IP protocol {number}")),
        Match::Source(_) | Match::Sources(_) => here(
            "source",
            addresses(model, nets(condition).unwrap_or_default()),
        ),
        Match::Destination(_) | Match::Destinations(_) => here(
            "destination",
            addresses(model, nets(condition).unwrap_or_default()),
        ),
        Match::Inbound(name) => here("inbound", name.clone()),
        Match::Outbound(name) => here("outbound", name.clone()),
        Match::Established => here("protocol", "a known connection".into()),
        Match::Invalid => here("protocol", "a packet of no connection".into()),
        Match::Translated => here("destination", "a translated address".into()),
    }
}

fn range(ports: &PortRange) -> String {
    match (ports.first, ports.last) {
        (0, u16::MAX) => "any".into(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    }
}

fn addresses(model: &dyn Called, nets: &[IpNet]) -> String {
    either(
        nets.iter()
            .map(|net| {
                let single = net.prefix_len() == net.max_prefix_len();
                let address: IpAddr = net.addr();
                match (single, model.name_of(address), model.segment_of(net)) {
                    (true, Some(name), _) => format!("{address} ({name})"),
                    (true, None, _) => address.to_string(),
                    (false, _, Some(segment)) => format!("{net} ({segment})"),
                    (false, _, None) => net.to_string(),
                }
            })
            .collect(),
    )
}

fn either(mut words: Vec<String>) -> String {
    match words.pop() {
        None => String::new(),
        Some(only) if words.is_empty() => only,
        Some(last) => format!("{} or {last}", words.join(", ")),
    }
}
