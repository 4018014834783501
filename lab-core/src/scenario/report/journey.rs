//! A journey in lines of text.

use crate::observe::{Decision, End, Flow, Handling, Journey};

use super::super::way;

/// The conversations of a journey, those begun on the way indented.
pub fn journey_lines(journey: &Journey) -> Vec<String> {
    let mut lines = vec![format!("{} → {}", journey.from, journey.asked)];
    for one in &journey.flows {
        flow(one, 1, &mut lines);
    }
    lines.extend(journey.gaps.iter().map(|gap| format!("  not seen: {gap}")));
    lines
}

fn flow(flow: &Flow, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    lines.push(format!("{indent}{}", flow.tuple));
    handling(&flow.from, &flow.origin, &indent, lines);
    for hop in &flow.hops {
        let before = lines.len();
        handling(&hop.node, &hop.handling, &indent, lines);
        if lines.len() == before {
            lines.push(format!("{indent}  {}", hop.node));
        }
    }
    for did in &flow.deeds {
        let node = flow.last().map_or(flow.from.as_str(), |hop| &hop.node);
        lines.push(format!("{indent}  {node}: {}", way::deed(&did.deed)));
        if let Some(onward) = &did.flow {
            self::flow(onward, depth + 2, lines);
        }
    }
    let end = match &flow.end {
        End::Answered => return,
        End::Refused => "refused".to_owned(),
        End::Dropped => "dropped".to_owned(),
        End::Unreachable { by, why } => format!("{by} can't get there: {why}"),
        End::Unanswered => "nothing came back".to_owned(),
        End::Lost { segment: Some(on) } => format!("lost on {on}: nobody took it"),
        End::Lost { segment: None } => "it did not leave the node".to_owned(),
    };
    lines.push(format!("{indent}  ended: {end}"));
}

fn handling(node: &str, handling: &Handling, indent: &str, lines: &mut Vec<String>) {
    for verdict in &handling.verdicts {
        let word = match verdict.decision {
            Decision::Accept => "permitted",
            Decision::Drop => "dropped",
        };
        let note = verdict
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!(" \"{note}\""));
        let place = verdict
            .place
            .as_ref()
            .map_or_else(String::new, |place| format!("  {place}"));
        lines.push(format!(
            "{indent}  {node}: {word} by {}{note}{place}",
            verdict.rule
        ));
    }
    if let Some(translated) = &handling.translated {
        let member = translated
            .member
            .as_ref()
            .map_or_else(String::new, |member| format!(", {member} is chosen"));
        lines.push(format!(
            "{indent}  {node}: becomes {}{member}",
            translated.to
        ));
    }
}
