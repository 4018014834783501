//! What a node began by itself. Ports are used again, within seconds where many connections are
//! made: addresses and ports alone do not tell one conversation from an earlier one.

use std::collections::BTreeMap;
use std::ops::Range;

use super::assemble::SLACK;
use super::headers::Kind;
use super::seen::{Observations, SeenPacket};
use super::span::Deed;
use super::tuple::Tuple;

/// Datagrams so many microseconds apart are of two conversations, as connection tracking has it
/// (nf_conntrack_udp_timeout).
const APART: u64 = 30_000_000;

/// The conversations that a node began by itself, not for others, and when.
pub fn begun_by(seen: &Observations, from: &str, time: Range<u64>) -> Vec<(Tuple, u64)> {
    let mut known = Known::default();
    let mut begun = Vec::new();
    for packet in seen.packets.iter().filter(|packet| packet.node == from) {
        let first = known.is_first(packet);
        let tuple = packet.packet.tuple;
        let own = || packet.may_begin() && seen.owns(from, tuple.source.ip());
        let others = || seen.is_probe(from, tuple, packet.at) || is_anothers(seen, from, tuple);
        if !first || !time.contains(&packet.at) || !own() || others() {
            continue;
        }
        let sent = before_translation(seen, from, tuple);
        if !is_caused(seen, from, sent, packet.at) {
            begun.push((sent, packet.at));
        }
    }
    begun
}

/// The conversations that were met on a node's links.
#[derive(Default)]
struct Known {
    /// Sequence numbers of the segments that began them.
    tcp: BTreeMap<Tuple, u32>,
    /// When datagrams of them, either way, were seen last.
    datagrams: BTreeMap<Tuple, u64>,
}

impl Known {
    /// Whether it is the first packet of a conversation that leaves the node.
    fn is_first(&mut self, packet: &SeenPacket) -> bool {
        let tuple = packet.packet.tuple;
        if let Kind::Tcp { sequence, .. } = packet.packet.kind {
            return packet.leaves
                && packet.may_begin()
                && self.tcp.insert(tuple, sequence) != Some(sequence);
        }
        // What it sends back is an answer, not a beginning.
        let begun = if packet.leaves {
            tuple
        } else {
            tuple.reversed()
        };
        let before = self.datagrams.insert(begun, packet.at);
        packet.leaves && before.is_none_or(|before| before + APART < packet.at)
    }
}

/// Whether a service began it because of what somebody asked.
fn is_caused(seen: &Observations, node: &str, sent: Tuple, began: u64) -> bool {
    seen.spans
        .iter()
        .filter(|span| span.node == node && span.span.at + SLACK >= began)
        .any(|span| matches!(span.span.deed, Deed::Onward { tuple, .. } if tuple == sent))
}

/// Whether a node sends in its own name what another one began (masquerading).
fn is_anothers(seen: &Observations, node: &str, sent: Tuple) -> bool {
    let connections = seen.tracked.get(node).into_iter().flatten();
    let mut translated = connections.filter(|one| one.onward == sent && one.original != sent);
    translated.any(|one| !seen.owns(node, one.original.source.ip()))
}

/// The conversation as the node itself knows it, where it translates its own.
pub fn before_translation(seen: &Observations, node: &str, sent: Tuple) -> Tuple {
    let connections = seen.tracked.get(node).into_iter().flatten();
    let mut translated = connections.filter(|one| one.onward == sent && one.original != sent);
    translated
        .find(|one| seen.owns(node, one.original.source.ip()))
        .map_or(sent, |one| one.original)
}

#[cfg(test)]
mod tests {
    use super::{APART, SLACK, begun_by};
    use crate::observe::headers::{Kind, Packet};
    use crate::observe::{Deed, Names, Observations, Probe, SeenPacket, SeenSpan, Span, Tuple};

    fn tuple(protocol: u8) -> Tuple {
        let (from, to) = (([10, 0, 0, 1], 40_000), ([10, 0, 0, 2], 443));
        Tuple::new(protocol, from.into(), to.into())
    }

    fn packet(at: u64, leaves: bool, tuple: Tuple, kind: Kind) -> SeenPacket {
        SeenPacket {
            at,
            node: "pc".into(),
            segment: "lan".into(),
            leaves,
            packet: Packet { tuple, kind },
        }
    }

    fn syn(at: u64, sequence: u32) -> SeenPacket {
        let kind = Kind::Tcp {
            syn: true,
            ack: false,
            fin: false,
            rst: false,
            sequence,
        };
        packet(at, true, tuple(6), kind)
    }

    fn seen(packets: Vec<SeenPacket>) -> Observations {
        let names = Names {
            addresses: vec![tuple(6).source.ip()],
        };
        Observations {
            nodes: [("pc".to_owned(), names)].into(),
            packets,
            ..Observations::default()
        }
    }

    fn begun(seen: &Observations, since: u64) -> Vec<u64> {
        let begun = begun_by(seen, "pc", since..u64::MAX);
        begun.into_iter().map(|(_, at)| at).collect()
    }

    #[test]
    fn a_port_that_is_used_again_begins_another_conversation() {
        let seen = seen(vec![syn(5, 100), syn(1_000_005, 100), syn(3_000_000, 7)]);
        assert_eq!(begun(&seen, 0), [5, 3_000_000]);
        assert_eq!(begun(&seen, 2_000_000), [3_000_000]);
    }

    #[test]
    fn a_question_after_health_is_nobodys_though_its_port_is_used_again() {
        let mut seen = seen(vec![syn(5_000_000, 100), syn(8_000_000, 7)]);
        seen.probes.push(Probe {
            at: 4_999_990,
            node: "pc".into(),
            protocol: 6,
            port: 40_000,
            to: tuple(6).destination,
        });
        assert_eq!(begun(&seen, 0), [8_000_000]);
    }

    #[test]
    fn what_a_service_asked_for_others_lends_its_port_to_what_its_node_begins_later() {
        let mut seen = seen(vec![syn(5_000_000, 100), syn(8_000_000, 7)]);
        let deed = Deed::Onward {
            tuple: tuple(6),
            to: "db".into(),
            asked: "GET /".into(),
            answer: "200".into(),
            micros: 10,
            kept: false,
        };
        seen.spans.push(SeenSpan {
            node: "pc".into(),
            process: "web".into(),
            span: Span {
                at: 5_000_000 + SLACK,
                tuple: tuple(6).reversed(),
                deed,
            },
        });
        assert_eq!(begun(&seen, 0), [8_000_000]);
    }

    #[test]
    fn datagrams_are_one_conversation_until_it_has_been_silent() {
        let there = |at| packet(at, true, tuple(17), Kind::Datagram);
        let back = |at| packet(at, false, tuple(17).reversed(), Kind::Datagram);
        let late = 20 + APART;
        let seen = seen(vec![
            there(5),
            back(10),
            there(20),
            there(late),
            there(2 * late),
        ]);
        assert_eq!(begun(&seen, 0), [5, 2 * late]);
        let answers = self::seen(vec![back(5), there(10)]);
        assert!(begun(&answers, 0).is_empty());
    }
}
