//! From what a scenario file says to a [`Scenario`] that can be run.
//!
//! - `known`: what the lab has: nodes, rules, users, pools;
//! - `step`: what is done; `ask`: by built-in clients; `fault`: what is broken;
//! - `wish`: what must come of it; `belonging`: of which kind of step.

mod ask;
mod belonging;
mod fault;
mod known;
mod step;
mod wish;

pub use known::Known;

use std::time::Duration;

use super::checked::{Action, Scenario, Step};
use super::file::File;
use crate::model::Diagnostic;

/// How long a step may take unless the file says.
const LIMIT: Duration = Duration::from_secs(30);

/// What steps have from their file.
struct Setting<'a> {
    known: &'a Known<'a>,
    from: Option<String>,
    user: Option<String>,
    limit: Duration,
}

/// Checks one case of a file.
pub(super) fn scenario(
    id: String,
    case: Option<String>,
    file: &File,
    known: &Known<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Scenario> {
    let before = diagnostics.len();
    let setting = Setting {
        known,
        from: file
            .from
            .as_ref()
            .and_then(|node| known.node(node, diagnostics)),
        user: file
            .user
            .as_ref()
            .and_then(|user| known.user(user, diagnostics)),
        limit: file.timeout.map_or(LIMIT, |time| time.0),
    };
    if file.steps.is_empty() {
        diagnostics.push(
            Diagnostic::error(
                "scenario::no-steps",
                "The scenario does nothing.",
                &file.title.place,
                "no `steps`",
            )
            .help("add `steps:`, a list of things to do"),
        );
    }
    for word in file.covers.iter().chain(file.tags.iter()) {
        let good = !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !good {
            diagnostics.push(
                Diagnostic::error(
                    "scenario::bad-word",
                    format!("`{}` is no id and no tag.", word.escape_debug()),
                    &word.place,
                    "this word",
                )
                .help("it has letters, digits, `-`, `_` and `.`"),
            );
        }
    }
    let mut steps = |written| step::steps(written, &setting, diagnostics);
    let (setup, body, teardown) = (
        steps(&file.setup),
        steps(&file.steps),
        steps(&file.teardown),
    );
    if diagnostics.len() > before {
        return None;
    }
    let mut scenario = Scenario {
        id,
        place: file.title.place.clone(),
        title: file.title.value.clone(),
        case,
        covers: words(&file.covers),
        about: file.about.clone(),
        tags: words(&file.tags),
        alone: file.alone.unwrap_or_default(),
        setup,
        steps: body,
        teardown,
    };
    let needs_peace = |step: &Step| disturbs(step) || watches_a_server(step, known);
    scenario.alone |= scenario.all_steps().into_iter().any(needs_peace);
    Some(scenario)
}

/// Whether others would notice, or be noticed.
fn disturbs(step: &Step) -> bool {
    matches!(step.action, Action::Fault(_) | Action::Heal(_))
        || step
            .expectations
            .iter()
            .any(|(one, _)| one.needs_counters())
}

/// What a server begins for others' requests can't be told from what the step began there.
fn watches_a_server(step: &Step, known: &Known<'_>) -> bool {
    let node = step
        .from
        .as_ref()
        .and_then(|from| known.plan.nodes.get(from));
    step.is_watched() && node.is_some_and(|node| !node.processes.is_empty())
}

fn words(many: &[crate::model::Spanned<String>]) -> Vec<String> {
    many.iter().map(|word| word.value.clone()).collect()
}
