//! Sets and maps that rules look up.

use std::io;

use ipnet::IpNet;
use nlink::netlink::nftables::{Set, SetDataType, SetElement, SetKeyType, Transaction};

use super::{FAMILY, TABLE};
use crate::plan::{Chain, Match};

/// nft's number for the type of an ICMP message (`icmp_type`), for `nft list` to name it.
const ICMP_TYPE: SetKeyType = SetKeyType::Other {
    type_id: 14,
    len: 1,
};

pub(super) const ICMP: u8 = 1;
pub(super) const ICMPV6: u8 = 58;

/// A set that several rules share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shared {
    /// ICMP and ICMPv6.
    IcmpProtocols,
    /// Protocol and type of ICMP errors.
    IcmpErrors,
}

impl Shared {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::IcmpProtocols => "icmp-protocols",
            Self::IcmpErrors => "icmp-errors",
        }
    }

    /// Makes it.
    pub fn add(self, batch: Transaction) -> Transaction {
        let set = Set::new(TABLE, self.name()).family(FAMILY).constant();
        match self {
            Self::IcmpProtocols => {
                let elements = [ICMP, ICMPV6].map(SetElement::inet_proto);
                let set = set.key_type(SetKeyType::InetProto);
                batch.add_set(set.clone()).add_set_elements(&set, &elements)
            }
            Self::IcmpErrors => {
                // Unreachable (fragmentation needed is its code 4), time exceeded, parameter
                // problem (RFC 792); unreachable, too big, time exceeded, parameter problem
                // (RFC 4443 §2.1).
                let errors = [(ICMP, 3), (ICMP, 11), (ICMP, 12)]
                    .into_iter()
                    .chain((1..=4).map(|kind| (ICMPV6, kind)));
                // Each field of a joint key begins a word of its own.
                let elements: Vec<SetElement> = errors
                    .map(|(protocol, kind)| SetElement::new(vec![protocol, 0, 0, 0, kind, 0, 0, 0]))
                    .collect();
                let set = set.key_type(SetKeyType::Concat(vec![SetKeyType::InetProto, ICMP_TYPE]));
                batch.add_set(set.clone()).add_set_elements(&set, &elements)
            }
        }
    }
}

/// The shared sets that chains need.
pub(super) fn needed<'a>(chains: impl Iterator<Item = &'a Chain>) -> Vec<Shared> {
    let mut needed: Vec<Shared> = chains
        .flat_map(|chain| &chain.rules)
        .flat_map(|rule| &rule.matches)
        .filter_map(|condition| match condition {
            Match::Icmp => Some(Shared::IcmpProtocols),
            Match::IcmpErrors => Some(Shared::IcmpErrors),
            _ => None,
        })
        .collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// A map from 0, 1, 2, … to values, for the rule at a position of a chain.
pub(super) fn numbered(
    batch: Transaction,
    name: &str,
    of: SetKeyType,
    values: impl Iterator<Item = Vec<u8>>,
) -> Transaction {
    let map = Set::new(TABLE, name)
        .family(FAMILY)
        .key_type(SetKeyType::Mark)
        .map(SetDataType::Value(of))
        .constant();
    let elements: Vec<SetElement> = (0u32..)
        .zip(values)
        .map(|(number, value)| SetElement::mark(number).value(SetElement::new(value)))
        .collect();
    batch.add_set(map.clone()).add_set_elements(&map, &elements)
}

/// A set of prefixes of one family, or of port ranges, for a condition with several values; `None`
/// for one with a single value.
pub(super) fn of(condition: &Match, name: &str) -> io::Result<Option<(Set, Vec<SetElement>)>> {
    let set = |kind| {
        Set::new(TABLE, name)
            .family(FAMILY)
            .key_type(kind)
            .interval()
            .constant()
    };
    match condition {
        Match::Sources(nets) | Match::Destinations(nets) => {
            let kind = match nets.first() {
                Some(IpNet::V6(_)) => SetKeyType::Ipv6Addr,
                _ => SetKeyType::Ipv4Addr,
            };
            let elements = nets.iter().map(|net| {
                match net {
                    IpNet::V4(net) => SetElement::ipv4_prefix(net.network(), net.prefix_len()),
                    IpNet::V6(net) => SetElement::ipv6_prefix(net.network(), net.prefix_len()),
                }
                .map_err(|error| super::said(&error))
            });
            Ok(Some((set(kind), elements.collect::<io::Result<_>>()?)))
        }
        Match::TcpPorts(list) | Match::UdpPorts(list) => {
            let elements = list
                .iter()
                .map(|ports| SetElement::port_range(ports.first, ports.last));
            Ok(Some((set(SetKeyType::InetService), elements.collect())))
        }
        _ => Ok(None),
    }
}

/// Name of a chain's set or map; no chain's name holds a slash.
pub(super) fn name(chain: &str, position: usize, what: &str) -> String {
    format!("{chain}/{what}{position}")
}

/// Whether a set or map is of this chain alone.
pub(super) fn belongs_to(set: &str, chain: &str) -> bool {
    set.rsplit_once('/')
        .is_some_and(|(owner, _)| owner == chain)
}
