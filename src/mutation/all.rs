//! The mutations of all labs that are meant.

use std::process::ExitCode;

use lab_core::mutate::Report;
use lab_core::scenario::Interrupt;

use super::state::State;
use super::trial::Trial;
use super::wanted::Wanted;
use super::words::told;
use crate::output::{Failure, Screen};
use crate::scenarios::batch::Batch;

/// Tries the mutations of each lab, in so many labs at the same time, and tells what came of it. The
/// exit code is 1 if one survived.
///
/// # Errors
/// What was found before can't be used, a scenario fails where nothing is changed, or a lab can't be
/// made.
pub fn try_all(
    wanted: &Wanted,
    batches: &[Batch],
    jobs: usize,
    json: bool,
    interrupt: &Interrupt,
    screen: &Screen,
) -> Result<ExitCode, Failure> {
    let mut state = State::open(wanted.resume.as_deref())?;
    let mut reports = Vec::new();
    for batch in batches {
        let trial = Trial {
            batch,
            jobs,
            interrupt,
            screen,
        };
        let meant = wanted.of(&batch.checked);
        reports.push((batch, trial.run(&meant, &mut state)?));
        if interrupt.is_set() {
            break;
        }
    }
    if json {
        let labs: Vec<&Report> = reports.iter().map(|(_, report)| report).collect();
        screen.json(&serde_json::json!({ "labs": labs }))?;
    } else {
        let all = reports.iter();
        let text: String = all
            .map(|(batch, report)| told(report, &batch.up, screen.stdout()))
            .collect();
        screen.print(&text)?;
    }
    let survived = reports
        .iter()
        .any(|(_, report)| report.count("survived") > 0);
    Ok(match (interrupt.is_set(), survived) {
        (true, _) => ExitCode::from(130),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    })
}
