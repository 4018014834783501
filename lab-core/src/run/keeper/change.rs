//! Changes: from the plan in force to another one, by way of the diff, and back if that fails.

use std::collections::BTreeSet;
use std::rc::Rc;

use tokio::sync::mpsc::UnboundedSender;

use super::Keeper;
use crate::plan::{Plan, ProcessKind, diff};
use crate::run::control::{Fault, Progress, Refusal};

/// A plan with things broken in it.
pub(super) fn with_faults(base: &Plan, faults: &BTreeSet<Fault>) -> Plan {
    let mut plan = base.clone();
    for fault in faults {
        match fault {
            Fault::Link { node, segment } => {
                if let Some(node) = plan.nodes.get_mut(node) {
                    node.links
                        .iter_mut()
                        .filter(|link| link.segment == *segment)
                        .for_each(|link| link.up = false);
                }
            }
            Fault::Kill { node } => {
                if let Some(node) = plan.nodes.get_mut(node) {
                    node.running = false;
                }
            }
            Fault::Stop { node, process } => {
                if let Some(node) = plan.nodes.get_mut(node) {
                    node.processes
                        .iter_mut()
                        .filter(|known| process.as_ref().is_none_or(|name| known.name == *name))
                        .for_each(|known| known.running = false);
                }
            }
            Fault::Drain { node } => drain(&mut plan, node),
        }
    }
    plan
}

/// A service whose settings have a list `drained` is told there who gets no new work.
fn drain(plan: &mut Plan, member: &str) {
    for process in plan
        .nodes
        .values_mut()
        .flat_map(|node| node.processes.iter_mut())
    {
        if let ProcessKind::Service { settings, .. } = &mut process.kind
            && let Some(serde_json::Value::Array(drained)) = settings.get_mut("drained")
        {
            drained.push(member.into());
        }
    }
}

impl Keeper {
    /// Makes the lab like `base` with the faults in force, and waits until it is healthy. If that
    /// fails the lab is brought back to what it was, and the error says why.
    pub(super) async fn change_to(
        self: &Rc<Self>,
        base: Plan,
        progress: UnboundedSender<Progress>,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.changing.lock().await;
        let faults = self.faults.borrow().clone();
        self.move_to(base, faults, &progress).await
    }

    /// Breaks or mends something.
    pub(super) async fn change_faults(
        self: &Rc<Self>,
        edit: impl FnOnce(&mut BTreeSet<Fault>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.changing.lock().await;
        let mut faults = self.faults.borrow().clone();
        edit(&mut faults)?;
        let base = self.base.borrow().clone();
        let (progress, _) = tokio::sync::mpsc::unbounded_channel();
        self.move_to(base, faults, &progress).await
    }

    async fn move_to(
        self: &Rc<Self>,
        base: Plan,
        faults: BTreeSet<Fault>,
        progress: &UnboundedSender<Progress>,
    ) -> Result<(), Refusal> {
        let old = self.current.borrow().clone();
        let new = with_faults(&base, &faults);
        let operations = diff(&old, &new);
        // Nodes that die and come back meanwhile come back as the new plan says.
        self.current.replace(new.clone());
        let mut result = self.execute(&operations, progress).await;
        if result.is_ok() {
            result = self.until_healthy(&operations, progress).await;
        }
        for timing in self.stages.report() {
            let _ = progress.send(timing);
        }
        match result {
            Ok(()) => {
                self.base.replace(base);
                self.faults.replace(faults);
                Ok(())
            }
            Err(refusal) => {
                if !old.nodes.is_empty() {
                    tracing::warn!("rolling back: {refusal}");
                    self.current.replace(old.clone());
                    let (quiet, _) = tokio::sync::mpsc::unbounded_channel();
                    if let Err(worse) = self.execute(&diff(&new, &old), &quiet).await {
                        tracing::error!("rolling back failed, too: {worse}");
                    }
                }
                Err(refusal)
            }
        }
    }
}
