//! Which nodes ask and are not asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::check::{BalancerMode, Nat, RecordData};
use crate::plan::ProcessKind;

use super::network::Model;

/// Nodes that are no routers and offer nothing that the lab leads others to: nothing runs on them that
/// a name, a pool, a service or a forwarded port points to.
pub fn clients(model: &Model<'_>) -> Vec<String> {
    let lab = model.lab;
    let mut led_to: BTreeSet<IpAddr> = BTreeSet::new();
    for record in lab.zones.iter().flat_map(|zone| &zone.records) {
        if let RecordData::Address(address) = record.data {
            led_to.insert(address);
        }
    }
    for balancer in lab.balancers.values() {
        let pools: Vec<_> = match &balancer.mode {
            BalancerMode::Layer4 { pool, .. } => vec![pool],
            BalancerMode::Layer7 { sites, .. } => sites.iter().map(|site| &site.pool).collect(),
        };
        led_to.extend(&balancer.vips);
        led_to.extend(
            pools
                .iter()
                .flat_map(|pool| &pool.members)
                .map(|member| member.address),
        );
    }
    for node in lab.nodes.values() {
        led_to.extend(node.nat.iter().filter_map(|nat| match nat {
            Nat::Forward { to, .. } => Some(*to),
            Nat::Masquerade { .. } => None,
        }));
    }
    for process in model.plan.nodes.values().flat_map(|node| &node.processes) {
        if let ProcessKind::Service { peers, .. } = &process.kind {
            led_to.extend(peers.values().flatten().map(|peer| peer.address));
        }
    }
    model
        .plan
        .nodes
        .values()
        .filter(|node| {
            let offers = !node.processes.is_empty();
            let mut addresses = node.links.iter().flat_map(|link| &link.addresses);
            let found = addresses.any(|address| led_to.contains(&address.addr()));
            let serves = node.router || (offers && found);
            !serves
        })
        .map(|node| node.name.clone())
        .collect()
}
