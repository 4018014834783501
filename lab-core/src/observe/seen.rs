//! Everything that was seen, as it came in.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::assemble::SLACK;
use super::headers::{Kind, Packet};
use super::span::Span;
use super::tuple::{Tuple, protocol};

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// Nodes, with what they are called by.
    pub nodes: BTreeMap<String, Names>,
    /// Packets on links, in the order they were seen.
    pub packets: Vec<SeenPacket>,
    /// Questions after neighbours.
    pub neighbours: Vec<SeenNeighbour>,
    /// What rules decided, by node, in the order it was heard.
    pub decisions: BTreeMap<String, Vec<SeenDecision>>,
    /// Rules by node, table and the kernel's number.
    pub rules: BTreeMap<String, BTreeMap<(String, u64), KnownAs>>,
    /// Connections by node.
    pub tracked: BTreeMap<String, Vec<Connection>>,
    /// What services told.
    pub spans: Vec<SeenSpan>,
    /// Questions after somebody's health, which are nobody's request.
    pub probes: Vec<Probe>,
    /// Pools: name → member → healthy, down or drained.
    pub pools: BTreeMap<String, BTreeMap<String, String>>,
    /// VIPs that spread connections by chance.
    pub spread_by_chance: Vec<String>,
    /// What was lost, a sentence each.
    pub gaps: Vec<String>,
}

/// What a node is known by.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Its addresses, VIPs included.
    pub addresses: Vec<IpAddr>,
}

/// A question after somebody's health: a conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Probe {
    /// Microseconds since the Unix epoch when it was told, which is about when it began.
    pub at: u64,
    /// Who asks.
    pub node: String,
    /// IP protocol number.
    pub protocol: u8,
    /// Port of who asks.
    pub port: u16,
    /// Who is asked.
    pub to: SocketAddr,
}

/// A packet on a node's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPacket {
    /// Microseconds since the Unix epoch.
    pub at: u64,
    /// Whose link.
    pub node: String,
    /// Which.
    pub segment: String,
    /// It left the node; else it came to it.
    pub leaves: bool,
    /// The packet.
    pub packet: Packet,
}

/// A node asked for a neighbour, or got an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNeighbour {
    /// Microseconds since the Unix epoch.
    pub at: u64,
    /// Who asked.
    pub node: String,
    /// Where.
    pub segment: String,
    /// For whom.
    pub address: IpAddr,
    /// It got an answer; else it asked.
    pub answered: bool,
}

/// What a rule decided on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDecision {
    /// Microseconds since the Unix epoch when it was heard.
    pub at: u64,
    /// The kernel's number for the packet.
    pub packet: u32,
    /// Its addresses, where they were told.
    pub tuple: Option<Tuple>,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// The rule; none: the chain's policy or its end.
    pub handle: Option<u64>,
    /// The verdict (NF_DROP 0, NF_ACCEPT 1; others go on).
    pub verdict: Option<i32>,
}

/// What a rule is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAs {
    /// Its id; a rule that the lab did not write is described.
    pub id: String,
    /// `file:line` behind it.
    pub place: Option<String>,
    /// What the lab file notes on it.
    pub note: Option<String>,
}

/// A connection as a node tracks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// As its first packet came.
    pub original: Tuple,
    /// As it goes on.
    pub onward: Tuple,
}

/// What a service told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSpan {
    /// Node.
    pub node: String,
    /// Process of the node.
    pub process: String,
    /// What.
    pub span: Span,
}

impl Observations {
    /// The node that has an address.
    pub fn owner(&self, address: IpAddr) -> Option<&str> {
        self.nodes
            .iter()
            .find(|(_, names)| names.addresses.contains(&address))
            .map(|(name, _)| name.as_str())
    }

    /// Whether a node has an address.
    pub fn owns(&self, node: &str, address: IpAddr) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|names| names.addresses.contains(&address))
    }

    /// Why a layer-4 VIP sent a connection to a member: `round robin, 2 of 2 healthy`.
    pub fn reason(&self, vip: &str) -> Option<String> {
        let pool = self.pools.get(vip)?;
        let healthy = pool.values().filter(|state| *state == "healthy").count();
        let how = if self.spread_by_chance.iter().any(|name| name == vip) {
            "by chance"
        } else {
            "round robin"
        };
        Some(format!("{how}, {healthy} of {} healthy", pool.len()))
    }

    /// Neighbours that a node asked for since a moment, and nobody answered.
    pub fn unreached(&self, node: &str, since: u64) -> Vec<&SeenNeighbour> {
        let theirs = || self.neighbours.iter().filter(|one| one.node == node);
        let mut silent: Vec<&SeenNeighbour> = Vec::new();
        for asked in theirs().filter(|one| !one.answered && one.at >= since) {
            let same = |one: &SeenNeighbour| {
                (&one.segment, one.address) == (&asked.segment, asked.address)
            };
            let answered = theirs().any(|one| one.answered && one.at >= asked.at && same(one));
            if !answered && !silent.iter().any(|one| same(one)) {
                silent.push(asked);
            }
        }
        silent
    }

    /// What services told since a moment that they did, but for what they did for those who ask after
    /// somebody's health.
    pub fn deeds(&self, since: u64) -> impl Iterator<Item = &SeenSpan> {
        let told = self.spans.iter().filter(move |one| one.span.at >= since);
        told.filter(|one| {
            let Span { tuple, at, .. } = one.span;
            let mut probes = self.probes.iter().filter(|probe| probe.is(tuple));
            match self.began(tuple, at) {
                Some(began) => !probes.any(|probe| probe.is_of(tuple, began)),
                None => probes.next().is_none(),
            }
        })
    }

    /// Whether a conversation of a node, begun at a moment, is a question after somebody's health.
    pub fn is_probe(&self, node: &str, tuple: Tuple, began: u64) -> bool {
        let mut probes = self.probes.iter().filter(|probe| probe.node == node);
        probes.any(|probe| probe.is_of(tuple, began))
    }

    /// When the conversation began that was going on at a moment.
    fn began(&self, tuple: Tuple, at: u64) -> Option<u64> {
        let begins = |packet: &&SeenPacket| {
            packet.packet.tuple == tuple && packet.at <= at + SLACK && packet.may_begin()
        };
        let mut packets = self.packets.iter().rev();
        packets.find(begins).map(|packet| packet.at)
    }
}

impl Probe {
    /// Whether it has these addresses and ports.
    fn is(&self, tuple: Tuple) -> bool {
        (self.protocol, self.port, self.to)
            == (tuple.protocol, tuple.source.port(), tuple.destination)
    }

    /// Whether it is the conversation with these addresses and ports that began at a moment. Of
    /// datagrams, asked again and again from one port, only the first question is told.
    fn is_of(&self, tuple: Tuple, began: u64) -> bool {
        self.is(tuple) && (self.protocol != protocol::TCP || self.at.abs_diff(began) <= SLACK)
    }
}

impl SeenPacket {
    /// Whether it may be the first of a conversation.
    pub fn may_begin(&self) -> bool {
        match self.packet.kind {
            Kind::Tcp { syn, ack, .. } => syn && !ack,
            Kind::Datagram | Kind::EchoRequest => true,
            Kind::EchoReply | Kind::Error { .. } | Kind::Other => false,
        }
    }

    /// Whether it shows that somebody answered.
    pub fn answers(&self) -> bool {
        match self.packet.kind {
            Kind::Tcp { syn, ack, .. } => syn && ack,
            Kind::Datagram | Kind::EchoReply => true,
            Kind::EchoRequest | Kind::Error { .. } | Kind::Other => false,
        }
    }

    /// Whether it ends a TCP connection, or begins to.
    pub fn ends(&self) -> bool {
        matches!(
            self.packet.kind,
            Kind::Tcp { fin: true, .. } | Kind::Tcp { rst: true, .. }
        )
    }

    /// Whether it resets a TCP connection.
    pub fn resets(&self) -> bool {
        self.packet.tuple.protocol == protocol::TCP
            && matches!(self.packet.kind, Kind::Tcp { rst: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::{Observations, Probe, SeenSpan};
    use crate::observe::{Deed, Span, Tuple};

    #[test]
    fn what_is_done_for_who_asks_after_health_is_nobodys_deed() {
        let span = |at: u64, port: u16| SeenSpan {
            node: "web".into(),
            process: "web".into(),
            span: Span {
                at,
                tuple: Tuple::new(6, ([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 443).into()),
                deed: Deed::TlsFailed {
                    reason: String::new(),
                },
            },
        };
        let seen = Observations {
            spans: vec![span(1, 7), span(5, 8), span(6, 9)],
            probes: vec![Probe {
                at: 5,
                node: "lb".into(),
                protocol: 6,
                port: 8,
                to: ([10, 0, 0, 2], 443).into(),
            }],
            ..Observations::default()
        };
        let ports = |since| -> Vec<u16> {
            let deeds = seen.deeds(since);
            deeds.map(|one| one.span.tuple.source.port()).collect()
        };
        assert_eq!(ports(0), [7, 9]);
        assert_eq!(ports(2), [9]);
    }
}
