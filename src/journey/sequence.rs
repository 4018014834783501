//! A journey as a Mermaid sequence diagram: <https://mermaid.js.org/syntax/sequenceDiagram.html>.

use std::fmt::Write;

use lab_core::observe::{Deed, End, Flow, Journey};

use super::{ended, lasting};

/// A journey as a Mermaid sequence diagram.
pub fn sequence(journey: &Journey) -> String {
    let mut nodes: Vec<&str> = vec![&journey.from];
    for flow in journey.all_flows() {
        for hop in &flow.hops {
            if !nodes.contains(&hop.node.as_str()) {
                nodes.push(&hop.node);
            }
        }
    }
    let mut text = String::from("sequenceDiagram\n");
    for node in &nodes {
        let _ = writeln!(
            text,
            "  participant {} as {}",
            id(&nodes, node),
            plain(node)
        );
    }
    for flow in &journey.flows {
        draw(&mut text, &nodes, flow);
    }
    text
}

fn draw(text: &mut String, nodes: &[&str], flow: &Flow) {
    let mut at = flow.from.as_str();
    for hop in &flow.hops {
        let (from, to) = (id(nodes, at), id(nodes, &hop.node));
        let _ = writeln!(text, "  {from}->>{to}: {}", plain(&hop.tuple.to_string()));
        if let Some(translated) = &hop.handling.translated {
            let words = format!("becomes {}", translated.to);
            let _ = writeln!(text, "  Note over {to}: {}", plain(&words));
        }
        for verdict in &hop.handling.verdicts {
            let words = format!("{:?} by {}", verdict.decision, verdict.rule).to_lowercase();
            let _ = writeln!(text, "  Note over {to}: {}", plain(&words));
        }
        at = &hop.node;
    }
    let here = id(nodes, at);
    if flow.end != End::Answered {
        let _ = writeln!(text, "  Note over {here}: {}", plain(&ended(&flow.end)));
    }
    for did in &flow.deeds {
        match &did.deed {
            Deed::Served {
                asked,
                answer,
                micros,
                ..
            } => {
                let words = format!("{asked}: {answer} in {}", lasting(*micros));
                let back = id(nodes, &flow.from);
                let _ = writeln!(text, "  {here}-->>{back}: {}", plain(&words));
            }
            Deed::Answered {
                name,
                answers,
                code,
                ..
            } => {
                let answer = if answers.is_empty() {
                    code.clone()
                } else {
                    answers.join(", ")
                };
                let back = id(nodes, &flow.from);
                let words = format!("{name} is {answer}");
                let _ = writeln!(text, "  {here}-->>{back}: {}", plain(&words));
            }
            Deed::Tls { version, .. } => {
                let _ = writeln!(text, "  Note over {here}: ends {}", plain(version));
            }
            Deed::TlsFailed { reason } => {
                let _ = writeln!(text, "  Note over {here}: {}", plain(reason));
            }
            Deed::Login {
                method,
                principal,
                verified,
                ..
            } => {
                let verdict = if *verified { "verified" } else { "refused" };
                let words = format!("{method}, {principal}, {verdict}");
                let _ = writeln!(text, "  Note over {here}: {}", plain(&words));
            }
            Deed::Chose { member, reason, .. } => {
                let words = format!("chooses {member}, {reason}");
                let _ = writeln!(text, "  Note over {here}: {}", plain(&words));
            }
            Deed::Onward { .. } | Deed::Check { .. } => {}
        }
        if let Some(flow) = &did.flow {
            draw(text, nodes, flow);
        }
    }
}

fn id(nodes: &[&str], name: &str) -> String {
    let index = nodes.iter().position(|known| *known == name);
    format!("n{}", index.unwrap_or_default())
}

/// Without what means something to Mermaid: `;` ends a statement, `#` begins an entity.
fn plain(words: &str) -> String {
    words.replace(['#', ';', '\n'], " ")
}
