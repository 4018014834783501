//! Nodes with `count` become several.

use std::collections::{BTreeMap, HashMap};

use super::labels::check_label;
use crate::model::file::File;
use crate::model::{Diagnostic, Place, Spanned, node};

/// Most nodes that one entry may stand for.
const MAX_COUNT: u32 = 1000;
/// Most nodes of a lab: more than any host carries, few enough to check.
const MAX_NODES: usize = 10_000;

/// One node to be, and the entry it comes from.
pub(super) struct Seat<'a> {
    /// The node's name.
    pub(super) name: String,
    /// The entry's name.
    pub(super) group: &'a Spanned<String>,
    /// Which of the entry's nodes it is, from 0.
    pub(super) index: usize,
    /// How many the entry stands for.
    pub(super) count: usize,
    /// The entry.
    pub(super) entry: &'a node::Node,
}

/// All nodes in the order of the file, and the groups.
pub(super) fn seats<'a>(
    file: &'a File,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Seat<'a>>, BTreeMap<String, Vec<String>>) {
    let mut seats: Vec<Seat<'a>> = Vec::new();
    let mut groups = BTreeMap::new();
    let mut places: HashMap<String, &Place> = HashMap::new();
    for (group, entry) in file.nodes.iter() {
        let count = entry
            .count
            .as_ref()
            .map(|count| check_count(count, diagnostics));
        let digits = count.map_or(0, |count| count.to_string().len());
        check_label("node", group, 32 - digits, diagnostics);
        let names: Vec<String> = match count {
            None => vec![group.value.clone()],
            Some(count) => (1..=count).map(|n| format!("{}{n}", group.value)).collect(),
        };
        if seats.len() + names.len() > MAX_NODES {
            diagnostics.push(
                Diagnostic::error(
                    "lab::too-many-nodes",
                    format!("A lab has at most {MAX_NODES} nodes; this one has more."),
                    &group.place,
                    "goes beyond it",
                )
                .help("split it into several labs"),
            );
            break;
        }
        for (index, name) in names.iter().enumerate() {
            if let Some(other) = places.insert(name.clone(), &group.place) {
                diagnostics.push(
                    Diagnostic::error(
                        "lab::duplicate-node",
                        format!("Two nodes are called `{name}`."),
                        &group.place,
                        "makes a node of that name",
                    )
                    .also(other, "and so does this")
                    .help("rename one of the two; `count` numbers its nodes from 1"),
                );
                continue;
            }
            seats.push(Seat {
                name: name.clone(),
                group,
                index,
                count: names.len(),
                entry,
            });
        }
        groups.insert(group.value.clone(), names);
    }
    (seats, groups)
}

fn check_count(count: &Spanned<u32>, diagnostics: &mut Vec<Diagnostic>) -> u32 {
    if !(1..=MAX_COUNT).contains(&count.value) {
        diagnostics.push(Diagnostic::error(
            "lab::out-of-range",
            format!("`count: {}` is not possible.", count.value),
            &count.place,
            format!("1 to {MAX_COUNT}"),
        ));
    }
    count.value.clamp(1, MAX_COUNT)
}
