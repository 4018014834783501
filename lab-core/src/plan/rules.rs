//! Packet rules as plain data. `plan` computes them, `kernel` writes them down for
//! nftables one to one: a [`Rule`] is one nftables rule.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Everything in a node's one nftables table (`inet tierlab`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Chains; a chain that others jump to comes before them.
    pub chains: Vec<Chain>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Name; `vip-<name>` for the chain that spreads a layer-4 VIP's connections.
    pub name: String,
    /// Where packets enter it; none: only by jump.
    pub hook: Option<Hook>,
    /// Rules in order; the base policy is always accept, so a default drop is a last rule
    /// with an id and a counter.
    pub rules: Vec<Rule>,
}

/// Where a base chain hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// Type nat, priority dstnat (-100).
    Prerouting,
    /// Type filter, priority filter (0).
    Input,
    /// Type filter, priority filter (0).
    Forward,
    /// Type nat, priority dstnat (-100): what starts on the node itself.
    Output,
    /// Type nat, priority srcnat (100).
    Postrouting,
}

/// The type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainType {
    /// Verdicts.
    Filter,
    /// Address translation.
    Nat,
}

impl Hook {
    /// The type of chain that this project hangs on the hook.
    pub fn chain_type(self) -> ChainType {
        match self {
            Hook::Input | Hook::Forward => ChainType::Filter,
            Hook::Prerouting | Hook::Output | Hook::Postrouting => ChainType::Nat,
        }
    }
}

/// One nftables rule. It always counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Id in the lab file (`P7`), or what made it (`established`, `masquerade`, `vip exchange`).
    /// Written into the rule's comment as `<id>`, or `<id>`, a tab and `<file>:<line>`.
    pub id: String,
    /// `file:line` behind it, where there is one.
    pub place: Option<String>,
    /// All must hold.
    pub matches: Vec<Match>,
    /// Sets the connection mark to this before the action: the index of the deciding rule, from 1.
    pub mark: Option<u32>,
    /// What happens.
    pub action: Action,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// Connection state established or related.
    Established,
    /// Connection state invalid.
    Invalid,
    /// The connection's destination was translated (`ct status dnat`).
    Translated,
    /// Incoming interface.
    Inbound(String),
    /// Outgoing interface.
    Outbound(String),
    /// Source address.
    Source(IpNet),
    /// Destination address.
    Destination(IpNet),
    /// Source address in one of these: two or more, of one family, that do not overlap.
    Sources(Vec<IpNet>),
    /// Destination address in one of these: two or more, of one family, that do not overlap.
    Destinations(Vec<IpNet>),
    /// IP protocol by number.
    Protocol(u8),
    /// TCP destination port.
    Tcp(PortRange),
    /// UDP destination port.
    Udp(PortRange),
    /// TCP destination port in one of these: two or more that do not overlap.
    TcpPorts(Vec<PortRange>),
    /// UDP destination port in one of these: two or more that do not overlap.
    UdpPorts(Vec<PortRange>),
    /// ICMP (IPv4) or ICMPv6.
    Icmp,
    /// ICMP errors: unreachable, fragmentation needed, time exceeded, parameter problem.
    IcmpErrors,
    /// ICMPv6 neighbour discovery (types 133 to 137), which an ACL never stops.
    NeighbourDiscovery,
}

/// Ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortRange {
    /// First.
    pub first: u16,
    /// Last.
    pub last: u16,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Lets it pass.
    Accept,
    /// Drops it.
    Drop,
    /// Goes on in another chain and comes back.
    Jump(String),
    /// Source becomes the address of the outgoing interface.
    Masquerade,
    /// Source becomes this address.
    Snat(IpAddr),
    /// Destination becomes one of these, each in turn (`numgen inc mod n`), or by chance
    /// (`numgen random mod n`). Never empty.
    Dnat {
        /// Targets.
        targets: Vec<Target>,
        /// By chance.
        random: bool,
    },
    /// Refused at once: a TCP reset for TCP, port unreachable for the rest.
    Reject,
}

/// Where a translated connection goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Address.
    pub address: IpAddr,
    /// Port; kept where absent.
    pub port: Option<u16>,
}
