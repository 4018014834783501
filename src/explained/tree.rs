//! An explanation as a tree.

use std::fmt::Write;

use lab_core::predict::{
    Aim, Back, End, Explanation, Hop, Lookup, Onward, Outcome, Question, Step, Then, Way,
};

use super::words::{at_place, by, decided, ended};
use crate::output::{Colour, Paint};

/// A part of the tree: a label, a line, further lines in three columns, and parts below it.
#[derive(Default)]
struct Item {
    label: &'static str,
    head: String,
    colour: Option<Colour>,
    lines: Vec<[String; 3]>,
    items: Vec<Item>,
}

/// All of it.
pub fn tree(explanation: &Explanation, paint: Paint) -> String {
    let (word, colour) = match explanation.reachable {
        true => ("reachable", Colour::Green),
        false => ("not reachable", Colour::Red),
    };
    let mut text = format!(
        "{}  {}\n",
        paint.bold(&format!("{} → {}", explanation.from, explanation.to)),
        paint.bold_in(colour, word)
    );
    let mut items = Vec::new();
    if let Some(lookup) = &explanation.lookup {
        items.push(name(lookup, explanation));
    }
    for aim in &explanation.ways {
        items.extend(way(&aim.way, &aimed(aim)));
    }
    draw(&items, "", paint, &mut text);
    text
}

fn aimed(aim: &Aim) -> String {
    let first = aim.way.hops.first();
    let packet = first.map(|hop| {
        format!(
            "{} → {} {}",
            hop.packet.source, aim.address, hop.packet.kind
        )
    });
    let name = aim.name.as_ref().map(|name| format!(" ({name})"));
    packet.unwrap_or_default() + &name.unwrap_or_default()
}

fn name(lookup: &Lookup, explanation: &Explanation) -> Item {
    let found: Vec<String> = match explanation.word_of_the_file {
        true => explanation
            .ways
            .iter()
            .map(|aim| aim.address.to_string())
            .collect(),
        false => lookup.addresses.iter().map(ToString::to_string).collect(),
    };
    let found = match found.is_empty() {
        true => "no address".to_owned(),
        false => found.join(", "),
    };
    let mut item = Item {
        label: "name",
        head: format!("{} → {found}", lookup.name),
        colour: lookup.addresses.is_empty().then_some(Colour::Yellow),
        ..Item::default()
    };
    for question in &lookup.asked {
        asked(question, &mut item.lines);
    }
    if lookup.asked.is_empty() && !lookup.addresses.is_empty() {
        item.lines.push([
            explanation.from.clone(),
            "knows it from its /etc/hosts".into(),
            String::new(),
        ]);
    }
    if explanation.word_of_the_file {
        item.lines.push([
            explanation.from.clone(),
            "no name server gives it; this is the lab file's own word".into(),
            String::new(),
        ]);
    }
    item
}

fn asked(question: &Question, lines: &mut Vec<[String; 3]>) {
    let who = question
        .node
        .clone()
        .unwrap_or_else(|| question.server.to_string());
    let seen = match (&question.view, question.client) {
        (Some(view), Some(client)) => format!("{view} view for {client}"),
        _ => String::new(),
    };
    let what = match (&question.trouble, question.forwarded.last()) {
        (Some(trouble), None) => Some(trouble.clone()),
        (_, Some(forwarded)) => {
            let to = forwarded.node.clone();
            Some(format!(
                "asks {}",
                to.unwrap_or_else(|| forwarded.server.to_string())
            ))
        }
        (None, None) => question.zone.as_ref().map(|zone| format!("zone {zone}")),
    };
    let words: Vec<String> = [Some(seen).filter(|seen| !seen.is_empty()), what]
        .into_iter()
        .flatten()
        .chain(
            question
                .aliases
                .iter()
                .map(|alias| format!("alias of {alias}")),
        )
        .collect();
    lines.push([
        who,
        words.join(": "),
        question.place.clone().unwrap_or_default(),
    ]);
    for forwarded in &question.forwarded {
        asked(forwarded, lines);
    }
}

/// The items of a way: the packet, and what follows.
fn way(way: &Way, head: &str) -> Vec<Item> {
    let mut lines = Vec::new();
    for (at, hop) in way.hops.iter().enumerate() {
        passed(hop, at == 0, &mut lines);
    }
    let mut items = vec![Item {
        label: "packet",
        head: head.to_owned(),
        lines,
        ..Item::default()
    }];
    match &way.then {
        Then::End {
            end,
            back,
            outcome,
            onward,
            unpublished,
        } => {
            if let Some(back) = back {
                items.push(returned(back));
            }
            items.push(self::end(way, end, back.as_ref(), *outcome));
            items.extend(onward.iter().map(gone_on));
            items.extend(unpublished.as_ref().map(|vip| Item {
                label: "onward",
                head: format!("{vip} publishes no site of that name: it answers itself"),
                colour: Some(Colour::Red),
                ..Item::default()
            }));
        }
        Then::Choice {
            vip,
            random,
            place,
            branches,
            out,
        } => {
            let node = way.hops.last().map_or("", |hop| hop.node.as_str());
            let how = match random {
                true => "by chance",
                false => "one after the other",
            };
            let mut choice = Item {
                label: "choice",
                head: format!(
                    "{node} sends it to one of {} members of {vip}, {how}{}{}",
                    branches.len(),
                    at_place(place.as_ref()),
                    match out.is_empty() {
                        true => String::new(),
                        false => format!("; out of it: {}", out.join(", ")),
                    }
                ),
                ..Item::default()
            };
            for branch in branches {
                choice.items.extend(self::way(
                    &branch.way,
                    &format!("to {} ({})", branch.member, branch.address),
                ));
            }
            items.push(choice);
        }
    }
    items
}

fn passed(hop: &Hop, first: bool, lines: &mut Vec<[String; 3]>) {
    let before = lines.len();
    for step in &hop.steps {
        let (what, place) = match step {
            Step::Route {
                via,
                node,
                interface,
                place,
                ..
            } => {
                // Where a packet only passes on its own segment there is nothing to tell.
                let Some(via) = via else { continue };
                let next = node.clone().unwrap_or_else(|| via.to_string());
                (format!("routes it to {next} by {interface}"), place.clone())
            }
            Step::Source {
                becomes,
                place,
                rule,
                ..
            } => (format!("source becomes {becomes} ({rule})"), place.clone()),
            Step::Destination {
                becomes,
                port,
                place,
                rule,
                ..
            } => {
                let port = port.map_or_else(String::new, |port| format!(" port {port}"));
                (
                    format!("destination becomes {becomes}{port} ({rule})"),
                    place.clone(),
                )
            }
            Step::NoMember { vip, out } => (
                format!(
                    "no member of {vip} answers its health check: {}",
                    out.join(", ")
                ),
                None,
            ),
            Step::Verdict(verdict) => (
                format!("{} {}", decided(verdict), by(verdict)),
                verdict.place.clone(),
            ),
        };
        let node = match lines.len() == before {
            true => hop.node.clone(),
            false => String::new(),
        };
        lines.push([node, what, place.unwrap_or_default()]);
    }
    if lines.len() == before && !first {
        lines.push([hop.node.clone(), String::new(), String::new()]);
    }
}

fn returned(back: &Back) -> Item {
    let mut nodes: Vec<&str> = Vec::new();
    for hop in &back.hops {
        nodes.push(&hop.node);
    }
    let mut item = Item {
        label: "back",
        head: nodes.join(" > "),
        ..Item::default()
    };
    if let Some(trouble) = &back.trouble {
        item.colour = Some(Colour::Red);
        item.lines
            .push([String::new(), trouble.clone(), String::new()]);
    }
    item
}

fn end(way: &Way, end: &End, back: Option<&Back>, outcome: Outcome) -> Item {
    let colour = match outcome {
        Outcome::Open | Outcome::Reached => Colour::Green,
        Outcome::Refused => Colour::Yellow,
        Outcome::Unreachable | Outcome::Dropped => Colour::Red,
    };
    Item {
        label: "end",
        head: ended(way, end, back),
        colour: Some(colour),
        ..Item::default()
    }
}

fn gone_on(onward: &Onward) -> Item {
    Item {
        label: "onward",
        head: format!(
            "{} goes on to {} for {}",
            onward.vip,
            onward.member,
            onward.hosts.join(", ")
        ),
        items: way(
            &onward.way,
            &match onward.way.hops.first() {
                Some(hop) => format!("{} → {} {}", hop.packet.source, onward.address, onward.kind),
                None => onward.address.to_string(),
            },
        ),
        ..Item::default()
    }
}

fn draw(items: &[Item], indent: &str, paint: Paint, text: &mut String) {
    let widest = items
        .iter()
        .map(|item| item.label.len())
        .max()
        .unwrap_or_default();
    for (at, item) in items.iter().enumerate() {
        let (fork, below) = match at + 1 == items.len() {
            true => ("└ ", "  "),
            false => ("├ ", "│ "),
        };
        let head = match item.colour {
            Some(colour) => paint.colour(colour, &item.head),
            None => item.head.clone(),
        };
        let label = paint.colour(Colour::Cyan, item.label);
        let gap = " ".repeat(widest - item.label.len());
        let _ = writeln!(text, "{indent}{fork}{label}{gap} {head}");
        let width = |column: usize| {
            let cells = item.lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or_default()
        };
        let (first, second) = (width(0), width(1));
        for [node, what, place] in &item.lines {
            let column = format!("{node:first$}  {what:second$}");
            let place = paint.colour(Colour::Grey, place);
            let line = format!("{indent}{below}{}{column}  {place}", " ".repeat(widest + 1));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        draw(&item.items, &format!("{indent}{below}"), paint, text);
    }
}
