//! `lab up`: from a plan to a lab that is healthy.

use super::control::{Progress, Refusal};
use crate::plan::Plan;
use crate::service::Catalogue;

/// Brings a lab up and returns when it is healthy. Must be called before the process has
/// started any thread: it forks.
///
/// # Errors
/// The lab is up already, the host can't do it, a node or a service failed; then nothing is left.
pub fn up(
    plan: Plan,
    catalogue: Catalogue,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Refusal> {
    let _ = (plan, catalogue, progress);
    Err(Refusal { message: "not there yet".into(), help: None, code: 3 })
}

/// Log lines of a lab that is not up any more (after a crash), oldest first.
///
/// # Errors
/// There is no such lab's state.
pub fn old_logs(
    lab: &str,
    node: Option<&str>,
    line: &mut dyn FnMut(super::control::LogLine),
) -> Result<(), Refusal> {
    let _ = (lab, node, line);
    Err(Refusal { message: "not there yet".into(), help: None, code: 3 })
}
