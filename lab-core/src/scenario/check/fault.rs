//! Faults in the words of `lab fault`.

use crate::model::{Diagnostic, Spanned};
use crate::plan::Fault;

use super::Known;

/// Reads one.
pub(super) fn fault(
    text: &Spanned<String>,
    known: &Known<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Fault> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let word = |at: usize| Spanned {
        value: words.get(at).copied().unwrap_or_default().to_owned(),
        place: text.place.clone(),
    };
    let node = |diagnostics: &mut Vec<Diagnostic>| known.node(&word(1), diagnostics);
    match words.as_slice() {
        ["kill", _] => Some(Fault::Kill {
            node: node(diagnostics)?,
        }),
        ["revoke", _] => Some(Fault::Revoke {
            node: node(diagnostics)?,
        }),
        ["drain", _] => Some(Fault::Drain {
            node: node(diagnostics)?,
        }),
        ["stop", _] => Some(Fault::Stop {
            node: node(diagnostics)?,
            process: None,
        }),
        ["stop", _, _] => {
            let node = node(diagnostics)?;
            let processes: Vec<&str> = known.plan.nodes[&node]
                .processes
                .iter()
                .map(|process| process.name.as_str())
                .collect();
            let process = has(&node, "process", &word(2), &processes, diagnostics)?;
            Some(Fault::Stop {
                node,
                process: Some(process),
            })
        }
        ["link", _, _] => {
            let node = node(diagnostics)?;
            let segments: Vec<&str> = known.plan.nodes[&node]
                .links
                .iter()
                .map(|link| link.segment.as_str())
                .collect();
            let segment = has(&node, "leg on", &word(2), &segments, diagnostics)?;
            Some(Fault::Link { node, segment })
        }
        _ => {
            diagnostics.push(
                Diagnostic::error(
                    "scenario::bad-fault",
                    format!("`{}` is no fault.", text.escape_debug()),
                    &text.place,
                    "this fault",
                )
                .help(
                    "write `kill NODE`, `link NODE SEGMENT`, `stop NODE [PROCESS]`, `drain NODE` \
                     or `revoke NODE`",
                ),
            );
            None
        }
    }
}

fn has(
    node: &str,
    what: &str,
    wanted: &Spanned<String>,
    have: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    if have.contains(&wanted.as_str()) {
        return Some(wanted.value.clone());
    }
    diagnostics.push(
        Diagnostic::error(
            "scenario::unknown-name",
            format!("{node} has no {what} `{}`.", wanted.escape_debug()),
            &wanted.place,
            "this fault",
        )
        .help(match have.is_empty() {
            true => "it has none".to_owned(),
            false => format!("it has: {}", have.join(", ")),
        }),
    );
    None
}
