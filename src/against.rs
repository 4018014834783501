//! What a change of a lab opens and closes, in lines.

use std::fmt::Write;

use lab_core::predict::{Change, Decider, Reach};

use crate::output::{Colour, Paint};

/// Nodes and addresses shown of those that a change concerns.
const SHOWN: usize = 4;

/// One line a change, and below it the rules that made it.
pub fn opened_and_closed(changes: &[Change], paint: Paint) -> String {
    if changes.is_empty() {
        return "it opens nothing and closes nothing\n".into();
    }
    let mut text = String::new();
    for change in changes {
        let (word, colour) = match change.is > change.was {
            true => ("opens ", Colour::Green),
            false => ("closes", Colour::Red),
        };
        let to: Vec<String> = change
            .to
            .iter()
            .map(|place| match &place.name {
                Some(name) => format!("{name} ({})", place.address),
                None => place.address.to_string(),
            })
            .collect();
        let _ = writeln!(
            text,
            "{}  {} → {} {}{}",
            paint.bold_in(colour, word),
            some(&change.from),
            some(&to),
            change.kinds.join(", "),
            match (change.was, change.is) {
                (Reach::Blocked, Reach::Open) | (Reach::Open, Reach::Blocked) => "",
                (Reach::Blocked, Reach::Passes) => ", where nobody listens",
                (Reach::Passes, Reach::Blocked) => ", where nobody listened",
                (Reach::Passes, _) => ": somebody listens there now",
                (_, Reach::Passes) => ": nobody listens there any more",
                _ => "",
            }
        );
        for (when, deciders) in [("was", &change.before), ("is ", &change.after)] {
            for decider in deciders {
                // A rule that decided the same both times made no difference.
                let other = match when {
                    "was" => &change.after,
                    _ => &change.before,
                };
                if !other.iter().any(|known| alike(known, decider)) {
                    let _ = writeln!(
                        text,
                        "        {when} {}",
                        paint.colour(Colour::Grey, &rule(decider))
                    );
                }
            }
        }
    }
    let opened = changes
        .iter()
        .filter(|change| change.is > change.was)
        .count();
    let _ = writeln!(
        text,
        "it opens {} and closes {}",
        counted(opened),
        counted(changes.len() - opened)
    );
    text
}

/// The same rule, wherever it stands in the file by now.
fn alike(a: &Decider, b: &Decider) -> bool {
    (&a.node, &a.rule, &a.note, a.passes) == (&b.node, &b.rule, &b.note, b.passes)
}

fn rule(decider: &Decider) -> String {
    let verdict = match decider.passes {
        true => "permitted",
        false => "dropped",
    };
    let note = decider.note.as_ref().map(|note| format!(" \"{note}\""));
    let place = decider.place.as_ref().map(|place| format!(" ({place})"));
    format!(
        "{verdict} at {} by {}{}{}",
        decider.node,
        decider.rule,
        note.unwrap_or_default(),
        place.unwrap_or_default()
    )
}

fn some(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn counted(ways: usize) -> String {
    match ways {
        0 => "nothing".into(),
        1 => "one way".into(),
        count => format!("{count} ways"),
    }
}
