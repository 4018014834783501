//! Whether two labs let the same pass: then, which rules decide in place of others.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::against::reach;
use super::matrix::{Cell, Decider, cell};
use super::network::Model;
use super::ports;
use super::way::{Packet, Way};

/// Rules that decide in one lab where others decided in the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Instead {
    /// Those that decided, and do not any more.
    pub before: Vec<Decider>,
    /// Those that decide in their place; empty: the others that decided before do so alone.
    pub after: Vec<Decider>,
}

/// The rules that decide in place of others, if everything that a node may send gets equally far in
/// both labs and arrives with the same addresses; none if anything differs. Both have the same nodes.
pub fn alike(old: &Model<'_>, new: &Model<'_>) -> Option<Vec<Instead>> {
    let mut found: Vec<Instead> = Vec::new();
    let same = each(old, new, &mut |(was, before), (is, after)| {
        if reach(Some(before)) != reach(Some(after)) || ends(was) != ends(is) {
            return false;
        }
        let one = instead(&before.deciders, &after.deciders);
        if let Some(one) = one.filter(|one| !found.contains(one)) {
            found.push(one);
        }
        true
    });
    same.then_some(found)
}

/// The rules that decided what the rule at `place` decides in the new lab, and not in the old one.
pub fn instead_of(old: &Model<'_>, new: &Model<'_>, place: &str) -> Vec<Decider> {
    let mut found: Vec<Decider> = Vec::new();
    each(old, new, &mut |(_, before), (_, after)| {
        let decides = |cell: &Cell| {
            let mut deciders = cell.deciders.iter();
            deciders.any(|one| one.place.as_deref() == Some(place))
        };
        if decides(after) && !decides(before) {
            for one in &before.deciders {
                if !after.deciders.contains(one) && !found.contains(one) {
                    found.push(one.clone());
                }
            }
        }
        true
    });
    found
}

/// Hears what becomes of a packet in two labs; false: enough was heard.
type Heard<'h> = &'h mut dyn FnMut((&Way, &Cell), (&Way, &Cell)) -> bool;

/// Asks both labs about everything that the nodes of the old one may send; whether all was heard.
fn each(old: &Model<'_>, new: &Model<'_>, heard: Heard<'_>) -> bool {
    let classes = ports::classes([(old.lab, old.plan), (new.lab, new.plan)].into_iter());
    let addresses: BTreeSet<IpAddr> = old
        .plan
        .nodes
        .values()
        .flat_map(|node| &node.links)
        .flat_map(|link| &link.addresses)
        .map(ipnet::IpNet::addr)
        .collect();
    for (name, node) in &old.plan.nodes {
        let Some(other) = new.plan.nodes.get(name) else {
            return false;
        };
        for address in &addresses {
            for (kind, _) in &classes {
                let was = old.way(node, *address, *kind);
                let is = new.way(other, *address, *kind);
                let cells = (cell(*kind, &was), cell(*kind, &is));
                if !heard((&was, &cells.0), (&is, &cells.1)) {
                    return false;
                }
            }
        }
    }
    true
}

/// Where packets arrive, and with which addresses. Where one is dropped is all one.
fn ends(way: &Way) -> BTreeSet<(String, String)> {
    let arrived = way.ends().into_iter().filter(|(_, _, back)| back.is_some());
    arrived
        .map(|(hop, _, _)| {
            let Packet {
                source,
                destination,
                kind,
            } = hop.packet;
            (hop.node.clone(), format!("{source} {destination} {kind}"))
        })
        .collect()
}

fn instead(before: &[Decider], after: &[Decider]) -> Option<Instead> {
    let only_in = |these: &[Decider], those: &[Decider]| -> Vec<Decider> {
        let alone = these.iter().filter(|one| !those.contains(one));
        alone.cloned().collect()
    };
    let (gone, new) = (only_in(before, after), only_in(after, before));
    if gone.is_empty() && new.is_empty() {
        return None;
    }
    // Where a rule before or behind another one suffices, that one is named.
    let suffices = || after.to_vec();
    Some(Instead {
        after: if new.is_empty() { suffices() } else { new },
        before: gone,
    })
}
