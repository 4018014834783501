//! The rows of a matrix that people read as one: a client and an address, with all its names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lab_core::predict::{Cell, Decider, Kind, Matrix, Outcome, Row};

/// A client, an address, and all names that lead the client there.
pub struct Line<'m> {
    /// The first row with that address.
    pub row: &'m Row,
    /// Its names, in order.
    pub names: Vec<&'m str>,
}

/// The lines of each client, in the order of the matrix.
pub fn by_client(matrix: &Matrix) -> Vec<(&str, Vec<Line<'_>>)> {
    let mut clients: Vec<(&str, Vec<Line<'_>>)> = Vec::new();
    let mut at: BTreeMap<(&str, IpAddr, bool), (usize, usize)> = BTreeMap::new();
    for row in &matrix.rows {
        if clients
            .last()
            .is_none_or(|(client, _)| *client != row.client)
        {
            clients.push((&row.client, Vec::new()));
        }
        let client = clients.len() - 1;
        let Some((_, lines)) = clients.last_mut() else {
            continue;
        };
        let (_, line) = *at
            .entry((&row.client, row.address, row.by_name))
            .or_insert_with(|| {
                lines.push(Line {
                    row,
                    names: Vec::new(),
                });
                (client, lines.len() - 1)
            });
        if let Some(line) = lines.get_mut(line) {
            line.names.push(&row.name);
        }
    }
    for (_, lines) in &mut clients {
        lines.sort_by_key(|line| (!line.row.by_name, line.names.first().copied()));
    }
    clients
}

/// Ports in a row: `tcp 25 443, udp 53`.
pub fn ports<'k>(kinds: impl Iterator<Item = &'k Kind>) -> String {
    let mut by_protocol: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in kinds {
        let port = kind.port().map(|port| port.to_string());
        by_protocol.entry(kind.protocol()).or_default().extend(port);
    }
    let words = by_protocol.into_iter().map(|(protocol, ports)| {
        std::iter::once(protocol)
            .chain(ports)
            .collect::<Vec<_>>()
            .join(" ")
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What a cell is in a word: of members that differ, all.
pub fn word(cell: &Cell) -> String {
    let words: Vec<&str> = cell.outcomes.iter().map(|outcome| outcome.word()).collect();
    words.join(" or ")
}

/// Who decided: the rule that dropped it, else those that let it pass, else where it ended.
pub fn decided(cell: &Cell) -> String {
    let dropped = cell.deciders.iter().find(|decider| !decider.passes);
    if let Some(decider) = dropped {
        return format!("{} at {}", decider.rule, decider.node);
    }
    let silent = |outcome: &Outcome| matches!(outcome, Outcome::Dropped | Outcome::Unreachable);
    if cell.outcomes.iter().all(silent) || cell.deciders.is_empty() {
        return cell.ends_at.clone();
    }
    let rules: Vec<String> = cell
        .deciders
        .iter()
        .map(|decider| format!("{} at {}", decider.rule, decider.node))
        .collect();
    rules.join(", ")
}

/// A rule in full: `P12 "everything else" at gateway (acl.yaml:53)`.
pub fn in_full(decider: &Decider) -> String {
    let note = decider.note.as_ref().map(|note| format!(" \"{note}\""));
    let place = decider.place.as_ref().map(|place| format!(" ({place})"));
    format!(
        "{}{} at {}{}",
        decider.rule,
        note.unwrap_or_default(),
        decider.node,
        place.unwrap_or_default()
    )
}
