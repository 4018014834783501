//! The packet rules of a node: its ACL (`filter`), address translation and layer-4 VIPs
//! (`translate`).

mod filter;
mod translate;

use std::ops::RangeInclusive;

use super::{Match, PortRange, Ruleset};
use crate::check::{BalancerMode, Lab, Node, Traffic};

/// All rules of a node. A chain that others jump to comes before them.
pub(super) fn node(lab: &Lab, node: &Node) -> Ruleset {
    let mut chains = translate::chains(lab, node);
    chains.extend(filter::chains(lab, node));
    chains.retain(|chain| !chain.rules.is_empty());
    Ruleset { chains }
}

/// Whether the node translates connections for a layer-4 VIP.
pub(super) fn balances(lab: &Lab, node: &Node) -> bool {
    lab.balancers.values().any(|balancer| {
        balancer.node == node.name && matches!(balancer.mode, BalancerMode::Layer4 { .. })
    })
}

/// A range of ports as rules have it.
pub(super) fn ports_of(range: &RangeInclusive<u16>) -> PortRange {
    PortRange {
        first: *range.start(),
        last: *range.end(),
    }
}

fn traffic(traffic: &Traffic) -> Match {
    match traffic {
        Traffic::Tcp(ports) => Match::Tcp(ports_of(ports)),
        Traffic::Udp(ports) => Match::Udp(ports_of(ports)),
        Traffic::Icmp => Match::Icmp,
        Traffic::IcmpErrors => Match::IcmpErrors,
        Traffic::Protocol(number) => Match::Protocol(*number),
    }
}
