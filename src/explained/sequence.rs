//! An explanation as a Mermaid sequence diagram: <https://mermaid.js.org/syntax/sequenceDiagram.html>.

use std::fmt::Write;

use lab_core::predict::{Explanation, Hop, Question, Step, Then, Way};

use super::words::{by, decided, ended};

/// An explanation as a Mermaid sequence diagram.
pub fn sequence(explanation: &Explanation) -> String {
    let mut nodes = vec![explanation.from.as_str()];
    for aim in &explanation.ways {
        named(&aim.way, &mut nodes);
    }
    let mut lines = Vec::new();
    for question in explanation.lookup.iter().flat_map(|lookup| &lookup.asked) {
        asked(question, &mut nodes, &mut lines);
    }
    for aim in &explanation.ways {
        way(&aim.way, &nodes, &mut lines);
    }
    let mut text = String::from("sequenceDiagram\n");
    for (at, node) in nodes.iter().enumerate() {
        let _ = writeln!(text, "  participant n{at} as {}", plain(node));
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn named<'w>(way: &'w Way, nodes: &mut Vec<&'w str>) {
    for hop in &way.hops {
        if !nodes.contains(&hop.node.as_str()) {
            nodes.push(&hop.node);
        }
    }
    match &way.then {
        Then::Choice { branches, .. } => {
            for branch in branches {
                named(&branch.way, nodes);
            }
        }
        Then::End { onward, .. } => {
            for onward in onward {
                named(&onward.way, nodes);
            }
        }
    }
}

fn asked<'q>(question: &'q Question, nodes: &mut Vec<&'q str>, lines: &mut Vec<String>) {
    let Some(server) = &question.node else { return };
    if !nodes.contains(&server.as_str()) {
        nodes.push(server);
    }
    let (from, to) = (id(nodes, &question.from), id(nodes, server));
    lines.push(format!("{from}->>{to}: asks for the name"));
    for forwarded in &question.forwarded {
        asked(forwarded, nodes, lines);
    }
    let addresses: Vec<String> = question.addresses.iter().map(ToString::to_string).collect();
    let answer = match &question.trouble {
        Some(trouble) => trouble.clone(),
        None => addresses.join(", "),
    };
    let (from, to) = (id(nodes, &question.from), id(nodes, server));
    lines.push(format!("{to}-->>{from}: {}", plain(&answer)));
}

fn way(way: &Way, nodes: &[&str], lines: &mut Vec<String>) {
    let mut before: Option<&Hop> = None;
    for hop in &way.hops {
        let here = id(nodes, &hop.node);
        if let Some(before) = before {
            let packet = format!(
                "{} to {} {}",
                hop.packet.source, hop.packet.destination, hop.packet.kind
            );
            lines.push(format!("{}->>{here}: {packet}", id(nodes, &before.node)));
        }
        for step in &hop.steps {
            let words = match step {
                Step::Route { .. } => continue,
                Step::Source { becomes, .. } => format!("source becomes {becomes}"),
                Step::Destination { becomes, .. } => format!("destination becomes {becomes}"),
                Step::NoMember { vip, .. } => format!("no member of {vip} is well"),
                Step::Verdict(verdict) => format!("{} {}", decided(verdict), by(verdict)),
            };
            lines.push(format!("Note over {here}: {}", plain(&words)));
        }
        before = Some(hop);
    }
    match &way.then {
        Then::Choice { vip, branches, .. } => {
            for (at, branch) in branches.iter().enumerate() {
                let word = match at {
                    0 => "alt",
                    _ => "else",
                };
                lines.push(format!("{word} {} of {vip}", plain(&branch.member)));
                self::way(&branch.way, nodes, lines);
            }
            if !branches.is_empty() {
                lines.push("end".into());
            }
        }
        Then::End {
            end, back, onward, ..
        } => {
            let here = way
                .hops
                .last()
                .map_or_else(String::new, |hop| id(nodes, &hop.node));
            let words = ended(way, end, back.as_ref());
            lines.push(format!("Note over {here}: {}", plain(&words)));
            for onward in onward {
                self::way(&onward.way, nodes, lines);
            }
        }
    }
}

fn id(nodes: &[&str], name: &str) -> String {
    let at = nodes.iter().position(|known| *known == name);
    format!("n{}", at.unwrap_or_default())
}

/// Without what means something to Mermaid: `;` ends a statement, `#` begins an entity.
fn plain(words: &str) -> String {
    words.replace(['#', ';', '\n'], " ")
}
