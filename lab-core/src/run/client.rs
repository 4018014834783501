//! The command's side of the control socket.

use std::os::fd::OwnedFd;

use super::control::{Exec, ExecControl, Fault, LogLine, Progress, Refusal, Status};
use crate::plan::Plan;

/// A lab that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningLab {
    /// Its name.
    pub name: String,
    /// Its control socket.
    pub socket: std::path::PathBuf,
}

/// The caller's running labs, by name.
///
/// # Errors
/// When the runtime folder can't be read.
pub fn running_labs() -> Result<Vec<RunningLab>, Refusal> {
    unimplemented()
}

impl RunningLab {
    /// State of the lab.
    ///
    /// # Errors
    /// What the keeper refuses, or that it can't be reached.
    pub fn status(&self) -> Result<Status, Refusal> {
        unimplemented()
    }

    /// The plan in force.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn plan(&self) -> Result<Plan, Refusal> {
        unimplemented()
    }

    /// Runs a program in a node and returns its exit status. `control` yields what to pass on
    /// (signals, resizes) while it runs.
    ///
    /// # Errors
    /// As [`Self::status`]; an unknown node is refused with the nearest name.
    pub fn exec(
        &self,
        exec: Exec,
        stdio: Vec<OwnedFd>,
        control: std::sync::mpsc::Receiver<ExecControl>,
    ) -> Result<i32, Refusal> {
        let _ = (exec, stdio, control);
        unimplemented()
    }

    /// Makes the lab like this plan.
    ///
    /// # Errors
    /// As [`Self::status`]; after a refusal the lab is as it was.
    pub fn apply(&self, plan: Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Refusal> {
        let _ = (plan, progress);
        unimplemented()
    }

    /// Breaks something.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn fault(&self, fault: Fault) -> Result<(), Refusal> {
        let _ = fault;
        unimplemented()
    }

    /// Mends one fault, or all.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn heal(&self, fault: Option<Fault>) -> Result<(), Refusal> {
        let _ = fault;
        unimplemented()
    }

    /// Log lines; ends by itself unless it follows.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn logs(
        &self,
        node: Option<&str>,
        follow: bool,
        line: &mut dyn FnMut(LogLine),
    ) -> Result<(), Refusal> {
        let _ = (node, follow, line);
        unimplemented()
    }

    /// Ends the lab and waits until nothing of it is left.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn down(&self) -> Result<(), Refusal> {
        unimplemented()
    }
}

fn unimplemented<T>() -> Result<T, Refusal> {
    Err(Refusal { message: "not there yet".into(), help: None, code: 3 })
}
