//! Every client, every name, every port at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use serde::Serialize;

use super::explain::Unasked;
use super::kind::Kind;
use super::network::Model;
use super::way::{Outcome, Way};
use crate::check::RecordData;

/// What clients reach.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matrix {
    /// The lab.
    pub lab: String,
    /// The columns.
    pub kinds: Vec<Kind>,
    /// The rows, by client and name.
    pub rows: Vec<Row>,
}

/// A client and an address it finds under a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The client.
    pub client: String,
    /// The name.
    pub name: String,
    /// What the client's name server gives for it; none where it knows no such name: then the address
    /// is one that others get.
    pub by_name: bool,
    /// The server that answered, and its view.
    pub server: Option<String>,
    /// The view.
    pub view: Option<String>,
    /// The address.
    pub address: IpAddr,
    /// The node that has it.
    pub node: Option<String>,
    /// One for each kind, in the order of the columns.
    pub cells: Vec<Cell>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Protocol and port.
    pub kind: Kind,
    /// What the client sees; several where the members of a VIP differ.
    pub outcomes: BTreeSet<Outcome>,
    /// The rules that let it pass, or the one that did not.
    pub deciders: Vec<Decider>,
    /// The node where it ends.
    pub ends_at: String,
}

/// A rule that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decider {
    /// The node.
    pub node: String,
    /// The rule's id.
    pub rule: String,
    /// What people wrote about it.
    pub note: Option<String>,
    /// `file:line` behind it.
    pub place: Option<String>,
    /// It let it pass.
    pub passes: bool,
}

/// Asks from each client for each name and kind.
///
/// # Errors
/// A client is no node, or is switched off.
pub fn matrix(model: &Model<'_>, clients: &[String], kinds: &[Kind]) -> Result<Matrix, Unasked> {
    let names = names(model);
    let mut rows = Vec::new();
    for client in clients {
        let node = model.asking(client)?;
        let mut known: HashMap<IpAddr, Vec<Cell>> = HashMap::new();
        for (name, others) in &names {
            let lookup = model.look_up(node, name);
            let by_name = !lookup.addresses.is_empty();
            let addresses: BTreeSet<IpAddr> = match by_name {
                true => lookup.addresses.iter().copied().collect(),
                false => others.clone(),
            };
            let answered = lookup.asked.last();
            for address in addresses {
                let cells = known.entry(address).or_insert_with(|| {
                    let cells = kinds.iter();
                    cells
                        .map(|kind| cell(*kind, &model.way(node, address, *kind)))
                        .collect()
                });
                rows.push(Row {
                    client: client.clone(),
                    name: name.clone(),
                    by_name,
                    server: answered.and_then(|question| question.node.clone()),
                    view: answered.and_then(|question| question.view.clone()),
                    address,
                    node: model.holder(address).map(str::to_owned),
                    cells: cells.clone(),
                });
            }
        }
    }
    Ok(Matrix {
        lab: model.lab.name.clone(),
        kinds: kinds.to_vec(),
        rows,
    })
}

/// Every name that some view gives addresses for, with all of them.
fn names(model: &Model<'_>) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let mut names: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
    for record in model.lab.zones.iter().flat_map(|zone| &zone.records) {
        match record.data {
            RecordData::Address(address) if !record.name.starts_with('*') => {
                names
                    .entry(record.name.to_ascii_lowercase())
                    .or_default()
                    .insert(address);
            }
            RecordData::Cname(_) => {
                names.entry(record.name.to_ascii_lowercase()).or_default();
            }
            _ => {}
        }
    }
    names
}

/// A cell from the way it stands for.
pub(super) fn cell(kind: Kind, way: &Way) -> Cell {
    let mut deciders: Vec<Decider> = Vec::new();
    let back = way.ends().into_iter().filter_map(|(_, _, back)| back);
    let dropped_back: Vec<_> = back
        .filter(|back| !back.arrives)
        .flat_map(|back| &back.hops)
        .flat_map(|hop| {
            hop.steps.iter().filter_map(|step| match step {
                super::way::Step::Verdict(verdict) if !verdict.passes => {
                    Some((hop.node.as_str(), verdict))
                }
                _ => None,
            })
        })
        .collect();
    for (node, verdict) in way.verdicts().into_iter().chain(dropped_back) {
        let Some(rule) = &verdict.rule else { continue };
        // What the lab file does not say (a VIP's own translation) is no rule that anybody wrote.
        if verdict.passes && verdict.place.is_none() {
            continue;
        }
        let decider = Decider {
            node: node.to_owned(),
            rule: rule.clone(),
            note: verdict.note.clone(),
            place: verdict.place.clone(),
            passes: verdict.passes,
        };
        if !deciders.contains(&decider) {
            deciders.push(decider);
        }
    }
    let ends = way.ends();
    Cell {
        kind,
        outcomes: way.outcomes(),
        deciders,
        ends_at: ends
            .first()
            .map(|(hop, _, _)| hop.node.clone())
            .unwrap_or_default(),
    }
}
