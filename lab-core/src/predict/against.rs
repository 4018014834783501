//! What a change of a lab opens and closes: both labs are asked the same questions.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use super::matrix::{Cell, Decider, cell};
use super::network::Model;
use super::ports;
use super::way::Outcome;

/// How far a packet gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// It does not arrive, or no answer does.
    Blocked,
    /// It arrives where nobody listens.
    Passes,
    /// It arrives where somebody listens.
    Open,
}

/// An address, and what people call it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// What people call it.
    pub name: Option<String>,
}

/// Ways that a change opened or closed, all by the same rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Nodes that ask.
    pub from: Vec<String>,
    /// What they ask.
    pub to: Vec<Place>,
    /// Protocol and ports.
    pub kinds: Vec<String>,
    /// How far it got.
    pub was: Reach,
    /// How far it gets.
    pub is: Reach,
    /// Rules that decided before.
    pub before: Vec<Decider>,
    /// Rules that decide now: those that opened it or closed it.
    pub after: Vec<Decider>,
}

/// What differs between two labs, for all nodes and addresses of both: what only one of them has is
/// out of reach in the other.
pub fn changes(old: &Model<'_>, new: &Model<'_>) -> Vec<Change> {
    let classes = ports::classes([(old.lab, old.plan), (new.lab, new.plan)].into_iter());
    let nodes: BTreeSet<&String> = old.plan.nodes.keys().chain(new.plan.nodes.keys()).collect();
    let addresses: BTreeSet<IpAddr> = [old, new]
        .iter()
        .flat_map(|model| model.plan.nodes.values())
        .flat_map(|node| &node.links)
        .flat_map(|link| &link.addresses)
        .map(ipnet::IpNet::addr)
        .collect();
    let mut by_node: Vec<Change> = Vec::new();
    for node in nodes {
        // Lines about one node and address that differ in ports only become one.
        let mut of_node: Vec<Change> = Vec::new();
        for address in &addresses {
            let holder = new.holder(*address).or_else(|| old.holder(*address));
            if holder == Some(node) {
                continue;
            }
            for (kind, class) in &classes {
                let ask = |model: &Model<'_>| {
                    let node = model.plan.nodes.get(node)?;
                    Some(cell(*kind, &model.way(node, *address, *kind)))
                };
                let (before, after) = (ask(old), ask(new));
                let (was, is) = (reach(before.as_ref()), reach(after.as_ref()));
                if was == is {
                    continue;
                }
                let deciders =
                    |cell: Option<Cell>| cell.map(|cell| cell.deciders).unwrap_or_default();
                let change = Change {
                    from: vec![node.clone()],
                    to: vec![Place {
                        address: *address,
                        name: new.name_of(*address).or_else(|| old.name_of(*address)),
                    }],
                    kinds: vec![class.clone()],
                    was,
                    is,
                    before: deciders(before),
                    after: deciders(after),
                };
                join(&mut of_node, change, Joined::Kinds);
            }
        }
        for change in of_node {
            join(&mut by_node, change, Joined::From);
        }
    }
    let mut found: Vec<Change> = Vec::new();
    for change in by_node {
        join(&mut found, change, Joined::To);
    }
    found.sort_by_key(|change| change.is < change.was);
    found
}

/// What changes that are alike otherwise may differ in, to become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    Kinds,
    From,
    To,
}

/// Adds a change, or to one that differs from it in this only.
fn join(all: &mut Vec<Change>, change: Change, joined: Joined) {
    let like = |known: &&mut Change| {
        (known.was, known.is) == (change.was, change.is)
            && known.before == change.before
            && known.after == change.after
            && (joined == Joined::Kinds || known.kinds == change.kinds)
            && (joined == Joined::From || known.from == change.from)
            && (joined == Joined::To || known.to == change.to)
    };
    let Some(known) = all.iter_mut().find(like) else {
        all.push(change);
        return;
    };
    match joined {
        Joined::Kinds => known.kinds.extend(change.kinds),
        Joined::From => known.from.extend(change.from),
        Joined::To => known.to.extend(change.to),
    }
}

pub(super) fn reach(cell: Option<&Cell>) -> Reach {
    let outcomes = cell.map(|cell| &cell.outcomes);
    let best = outcomes.into_iter().flatten().map(|outcome| match outcome {
        Outcome::Open | Outcome::Reached => Reach::Open,
        Outcome::Refused => Reach::Passes,
        Outcome::Unreachable | Outcome::Dropped => Reach::Blocked,
    });
    best.max().unwrap_or(Reach::Blocked)
}
