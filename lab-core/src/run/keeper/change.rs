//! Changes: from the plan in force to another one, by way of the diff, and back if that fails.

use std::collections::BTreeSet;
use std::rc::Rc;

use tokio::sync::mpsc::UnboundedSender;

use super::Keeper;
use crate::plan::{Fault, Plan, diff, with_faults};
use crate::run::control::{Progress, Refusal};

impl Keeper {
    /// Makes the lab like `base` with the faults in force, and waits until it is healthy. If that
    /// fails the lab is brought back to what it was, and the error says why.
    pub(super) async fn change_to(
        self: &Rc<Self>,
        base: Plan,
        progress: UnboundedSender<Progress>,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.changing.lock().await;
        if base.published.as_deref() != self.authority.published() {
            return Err(Refusal {
                message: "`certificates: published` can't change while the lab is up: it stands \
                          in every certificate"
                    .into(),
                help: Some("`lab down`, then `lab up`".into()),
                code: 2,
            });
        }
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
        let mut result = {
            let _alone = self.wiring.lock().await;
            // Nodes that die and come back from now on come back as the new plan says.
            self.current.replace(new.clone());
            self.execute(&operations, progress).await
        };
        if result.is_ok() {
            result = self.until_healthy(&operations, progress).await;
        }
        for timing in self.stages.report() {
            let _ = progress.send(timing);
        }
        match result {
            Ok(()) => {
                let stored = old.nodes.values().filter(|node| node.store > 0);
                for gone in stored.filter(|node| !new.nodes.contains_key(&node.name)) {
                    self.forget_store(&gone.name).await;
                }
                self.base.replace(base);
                self.faults.replace(faults);
                Ok(())
            }
            Err(refusal) => {
                if !old.nodes.is_empty() {
                    tracing::warn!("rolling back: {refusal}");
                    let (quiet, _) = tokio::sync::mpsc::unbounded_channel();
                    let _alone = self.wiring.lock().await;
                    self.current.replace(old.clone());
                    self.take_back(&diff(&new, &old), &quiet).await;
                }
                Err(refusal)
            }
        }
    }
}
