//! Which rule decides about a packet: packet rules as the kernel reads them, the first match first.

use crate::plan::{Action, Hook, Match, PortRange, Rule, Ruleset};

use super::kind::Kind;
use super::way::Packet;

/// What connection tracking says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It begins a connection.
    New,
    /// It belongs to one, or is an error about one.
    Established,
    /// It belongs to none and can't begin one.
    Invalid,
}

/// A packet as a chain sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'p> {
    pub packet: Packet,
    pub state: State,
    /// The connection's destination was translated at this node.
    pub translated: bool,
    pub inbound: Option<&'p str>,
    pub outbound: Option<&'p str>,
}

/// The rule that decides in the chain of a hook; none where all of them let it go on, which is the
/// policy of every base chain.
pub(super) fn decide<'p>(rules: &'p Ruleset, hook: Hook, seen: &Seen<'_>) -> Option<&'p Rule> {
    let chain = rules.chains.iter().find(|chain| chain.hook == Some(hook))?;
    in_chain(rules, &chain.rules, seen, rules.chains.len())
}

/// `jumps` bounds how deep chains may call each other, which the kernel makes sure of, too.
fn in_chain<'p>(
    all: &'p Ruleset,
    rules: &'p [Rule],
    seen: &Seen<'_>,
    jumps: usize,
) -> Option<&'p Rule> {
    for rule in rules {
        if !rule.matches.iter().all(|condition| holds(condition, seen)) {
            continue;
        }
        match &rule.action {
            Action::Jump(name) => {
                let to = all.chains.iter().find(|chain| chain.name == *name);
                let decided = to
                    .filter(|_| jumps > 0)
                    .and_then(|chain| in_chain(all, &chain.rules, seen, jumps - 1));
                if decided.is_some() {
                    return decided;
                }
            }
            _ => return Some(rule),
        }
    }
    None
}

/// Whether a condition holds.
pub(super) fn holds(condition: &Match, seen: &Seen<'_>) -> bool {
    let Packet {
        source,
        destination,
        kind,
    } = seen.packet;
    let tcp = |ranges: &[PortRange]| matches!(kind, Kind::Tcp(port) if within(ranges, port));
    let udp = |ranges: &[PortRange]| matches!(kind, Kind::Udp(port) if within(ranges, port));
    match condition {
        Match::Established => seen.state == State::Established,
        Match::Invalid => seen.state == State::Invalid,
        Match::Translated => seen.translated,
        Match::Inbound(name) => seen.inbound == Some(name),
        Match::Outbound(name) => seen.outbound == Some(name),
        Match::Source(net) => net.contains(&source),
        Match::Destination(net) => net.contains(&destination),
        Match::Sources(nets) => nets.iter().any(|net| net.contains(&source)),
        Match::Destinations(nets) => nets.iter().any(|net| net.contains(&destination)),
        Match::Protocol(number) => kind.number(destination) == *number,
        Match::Tcp(range) => tcp(&[*range]),
        Match::TcpPorts(ranges) => tcp(ranges),
        Match::Udp(range) => udp(&[*range]),
        Match::UdpPorts(ranges) => udp(ranges),
        Match::Icmp => kind == Kind::Icmp,
        // What is asked about is an echo request.
        Match::IcmpErrors | Match::NeighbourDiscovery => false,
    }
}

fn within(ranges: &[PortRange], port: u16) -> bool {
    ranges
        .iter()
        .any(|range| (range.first..=range.last).contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Chain, Target};

    fn rule(id: &str, matches: Vec<Match>, action: Action) -> Rule {
        Rule {
            id: id.into(),
            place: None,
            matches,
            mark: None,
            action,
        }
    }

    fn seen(port: u16) -> Seen<'static> {
        Seen {
            packet: Packet {
                source: "10.0.0.1".parse().expect("an address"),
                destination: "10.0.1.1".parse().expect("an address"),
                kind: Kind::Tcp(port),
            },
            state: State::New,
            translated: false,
            inbound: Some("a"),
            outbound: Some("b"),
        }
    }

    fn port(port: u16) -> Match {
        Match::Tcp(PortRange {
            first: port,
            last: port,
        })
    }

    #[test]
    fn a_jump_that_decides_nothing_comes_back() {
        let to = Action::Dnat {
            targets: vec![Target {
                address: "10.0.2.1".parse().expect("an address"),
                port: None,
            }],
            random: false,
        };
        let rules = Ruleset {
            chains: vec![
                Chain {
                    name: "empty".into(),
                    hook: None,
                    rules: vec![],
                },
                Chain {
                    name: "full".into(),
                    hook: None,
                    rules: vec![rule("to", vec![port(80)], to)],
                },
                Chain {
                    name: "prerouting".into(),
                    hook: Some(Hook::Prerouting),
                    rules: vec![
                        rule("1", vec![], Action::Jump("empty".into())),
                        rule("2", vec![], Action::Jump("full".into())),
                        rule("3", vec![port(81)], Action::Accept),
                    ],
                },
            ],
        };
        let decided = |port| decide(&rules, Hook::Prerouting, &seen(port)).map(|rule| &*rule.id);
        assert_eq!(decided(80), Some("to"));
        assert_eq!(decided(81), Some("3"));
        assert_eq!(decided(82), None);
    }

    #[test]
    fn a_condition_is_about_one_protocol() {
        let all = PortRange {
            first: 0,
            last: u16::MAX,
        };
        assert!(holds(&Match::Tcp(all), &seen(80)));
        assert!(!holds(&Match::Udp(all), &seen(80)));
        assert!(holds(&Match::Protocol(6), &seen(80)));
        assert!(!holds(&Match::Icmp, &seen(80)));
        assert!(!holds(&Match::Outbound("a".into()), &seen(80)));
    }
}
