//! What the rules of ACLs have counted, for `lab status`.

use std::collections::BTreeMap;
use std::fmt::Write;

use lab_core::plan::{Action, Plan};
use lab_core::run::control::{Count, Status};

use crate::output::{Colour, Paint, Table};

/// By node, the rules that a packet has met: a connection's first packet meets the rule that decides
/// about it, the others `established`.
pub fn counters(plan: &Plan, status: &Status, paint: Paint) -> String {
    let mut text = String::new();
    for (node, counts) in &status.rules {
        let mut met: Vec<(&String, &Count)> = counts
            .iter()
            .filter(|(_, count)| count.packets > 0)
            .collect();
        if met.is_empty() {
            continue;
        }
        met.sort_by_key(|(id, _)| natural(id));
        let drops = drops(plan, node);
        let mut table = Table::default();
        table.titles(paint, ["RULE", "PACKETS", "BYTES", ""]);
        for (id, count) in met {
            let (word, colour) = if drops.get(id).copied().unwrap_or_default() {
                ("dropped", Colour::Red)
            } else {
                ("", Colour::Green)
            };
            let plain = |text: String| (text.clone(), text);
            table.painted([
                plain(id.clone()),
                plain(count.packets.to_string()),
                plain(count.bytes.to_string()),
                (word.to_owned(), paint.colour(colour, word)),
            ]);
        }
        let _ = write!(
            text,
            "{}\n{}\n",
            paint.bold(&format!("Rules of {node}")),
            table.render()
        );
    }
    text
}

/// Which ids of a node drop.
fn drops<'p>(plan: &'p Plan, node: &str) -> BTreeMap<&'p String, bool> {
    let chains = plan
        .nodes
        .get(node)
        .map(|node| node.rules.chains.as_slice())
        .unwrap_or_default();
    chains
        .iter()
        .flat_map(|chain| &chain.rules)
        .map(|rule| (&rule.id, rule.action == Action::Drop))
        .collect()
}

/// `P2` before `P10`.
fn natural(id: &str) -> (String, u64) {
    let letters = id.trim_end_matches(|c: char| c.is_ascii_digit());
    (
        letters.to_owned(),
        id[letters.len()..].parse().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn ids_are_in_the_order_of_their_numbers() {
        let mut ids = ["P12", "E1", "P2", "T-drop", "established"];
        ids.sort_by_key(|id| natural(id));
        assert_eq!(ids, ["E1", "P2", "P12", "T-drop", "established"]);
    }
}
