//! Neighbours that are known for good. The kernel's table of them is one for the whole host: 1,024
//! that it found out by itself (`net.ipv4.neigh.default.gc_thresh3`, the same for IPv6), permanent
//! ones not counted. A large segment whose nodes all talk to their router at once would fill it,
//! and lose packets in every lab and on the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{NeighbourPlan, Plan};

/// Legs from which a segment is large. Two directions make twice as many neighbours: a quarter of
/// the table.
const LARGE: usize = 128;

/// The legs of a large segment by their addresses: node and hardware address.
type Legs = BTreeMap<IpAddr, (String, String)>;

/// Gives those to each other who are sure to talk, on each large segment: a node and its next
/// hops, and who asks for health and who is asked.
pub(super) fn add(plan: &mut Plan) {
    for (segment, legs) in large(plan) {
        let mut pairs: BTreeSet<(&str, &str)> = BTreeSet::new();
        for node in plan.nodes.values() {
            let hops = node.routes.iter().map(|route| route.via);
            for hop in hops.filter_map(|via| legs.get(&via)) {
                pairs.insert((&node.name, &hop.0));
            }
            for probe in node.processes.iter().filter_map(|it| it.probe.as_ref()) {
                if legs.contains_key(&probe.to) {
                    pairs.insert((&node.name, &probe.from));
                }
            }
        }
        let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (one, other) in pairs.into_iter().filter(|(one, other)| one != other) {
            known.entry(one).or_default().insert(other);
            known.entry(other).or_default().insert(one);
        }
        let mut addresses: BTreeMap<&str, Vec<NeighbourPlan>> = BTreeMap::new();
        for (address, (node, mac)) in &legs {
            addresses.entry(node).or_default().push(NeighbourPlan {
                address: *address,
                mac: mac.clone(),
            });
        }
        let lists: Vec<(String, Vec<NeighbourPlan>)> = known
            .into_iter()
            .map(|(node, others)| {
                let others = others.iter().filter_map(|other| addresses.get(other));
                (node.to_owned(), others.flatten().cloned().collect())
            })
            .collect();
        for (node, list) in lists {
            let legs = plan.nodes.get_mut(&node).map(|node| &mut node.links);
            let leg = legs.and_then(|legs| legs.iter_mut().find(|leg| leg.segment == segment));
            if let Some(leg) = leg {
                // A leg has the protocols of its addresses only.
                let speaks = |known: &NeighbourPlan| {
                    let mut own = leg.addresses.iter().map(IpNet::addr);
                    own.any(|address| address.is_ipv4() == known.address.is_ipv4())
                };
                leg.neighbours = list.into_iter().filter(speaks).collect();
            }
        }
    }
}

fn large(plan: &Plan) -> BTreeMap<String, Legs> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let all = || {
        plan.nodes
            .values()
            .flat_map(|node| node.links.iter().map(move |link| (node, link)))
    };
    for (_, link) in all() {
        *counts.entry(&link.segment).or_default() += 1;
    }
    counts.retain(|_, count| *count >= LARGE);
    let mut segments: BTreeMap<String, Legs> = BTreeMap::new();
    for (node, link) in all().filter(|(_, link)| counts.contains_key(link.segment.as_str())) {
        let legs = segments.entry(link.segment.clone()).or_default();
        for address in &link.addresses {
            legs.insert(address.addr(), (node.name.clone(), link.mac.clone()));
        }
    }
    segments
}
