//! Whether a mutation changes nothing that the nodes of its lab can meet, and what makes it so.

use super::mutation::{Edit, Mutation};
use crate::check::{Record, RecordData, Zone};
use crate::plan::plan;
use crate::predict::{Decider, Instead, Model, alike, instead_of};
use crate::service::Catalogue;

/// Most rules named.
const NAMED: usize = 4;

/// Why a mutation changes nothing: a sentence that names what makes it so. None: it changes something,
/// or nothing is known of it. Both labs are asked everything that their nodes could ask.
pub fn explanation(
    mutation: &Mutation,
    old: &Model<'_>,
    new: &Model<'_>,
    catalogue: Catalogue,
) -> Option<String> {
    if let Some(plain) = &mutation.equal {
        return Some(plain.clone());
    }
    match &mutation.edit {
        Edit::Acl { .. } | Edit::Nat { .. } => {
            let found = alike(old, new)?;
            let unmet = || "no node of the lab can send anything that meets the difference".into();
            let plain = (!found.is_empty()).then(|| instead(&found));
            let before = || decided_before(mutation, old, catalogue);
            Some(plain.or_else(before).unwrap_or_else(unmet))
        }
        Edit::Zone { zone, records } => {
            let was = old.lab.zones.get(*zone)?;
            answers(was, records, old, new)
        }
        Edit::Pool { .. } => None,
    }
}

fn instead(found: &[Instead]) -> String {
    let mut words: Vec<String> = Vec::new();
    for one in found {
        let (gone, now) = (rules(&one.before), rules(&one.after));
        let word = match (gone.is_empty(), now.is_empty()) {
            (true, _) => format!("{now} decides besides, to the same end"),
            (false, true) => format!("without {gone} nothing else changes"),
            (false, false) => format!("{now} decides where {gone} did, to the same end"),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let more = words.len().saturating_sub(NAMED);
    words.truncate(NAMED);
    match more {
        0 => words.join("; "),
        more => format!("{}; and {more} more", words.join("; ")),
    }
}

/// The rules that take what the changed one would take, if it stood before all others.
fn decided_before(mutation: &Mutation, old: &Model<'_>, catalogue: Catalogue) -> Option<String> {
    let mut first = mutation.clone();
    if let Edit::Acl { rules, .. } = &mut first.edit {
        let at = rules
            .iter()
            .position(|rule| rule.place.to_string() == mutation.place)?;
        let rule = rules.remove(at);
        rules.insert(0, rule);
    }
    let lab = first.apply(old.lab);
    let plan = plan(&lab, catalogue);
    let before = instead_of(old, &Model::new(&lab, &plan), &mutation.place);
    (!before.is_empty()).then(|| format!("{} decides before it", rules(&before)))
}

fn rules(deciders: &[Decider]) -> String {
    let named = deciders.iter().map(|one| match &one.place {
        Some(place) => format!("{} at {} ({place})", one.rule, one.node),
        None => format!("{} at {}", one.rule, one.node),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// Only of addresses it is known who asks for them, and how; and that nobody gets one says nothing of
/// those who ask the server itself.
fn answers(was: &Zone, records: &[Record], old: &Model<'_>, new: &Model<'_>) -> Option<String> {
    let gone = was.records.iter().filter(|one| !records.contains(one));
    let come = records.iter().filter(|one| !was.records.contains(one));
    let changed: Vec<&Record> = gone.chain(come).collect();
    let mut given: Vec<String> = Vec::new();
    for record in changed {
        let address = matches!(record.data, RecordData::Address(_) | RecordData::Cname(_));
        // What is below a star has no end.
        if !address || record.name.starts_with('*') {
            return None;
        }
        for (name, node) in &old.plan.nodes {
            let before = old.look_up(node, &record.name);
            let after = new.look_up(new.plan.nodes.get(name)?, &record.name);
            if before.addresses != after.addresses {
                return None;
            }
            let answered = after.asked.last().filter(|_| !after.addresses.is_empty());
            let here = answered.filter(|last| last.view.as_ref() == Some(&was.view));
            if let Some(place) = here.and_then(|last| last.place.clone())
                && !given.contains(&place)
            {
                given.push(place);
            }
        }
    }
    (!given.is_empty()).then(|| {
        format!(
            "every node gets the same answer with it and without it, by {}",
            given.join(", ")
        )
    })
}
