//! `lab fault`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use lab_core::plan::Fault;

use crate::output::{Failure, Screen};
use crate::overview::said;
use crate::running::Which;

/// Break something on purpose
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab fault link core frontend      pull core's cable out of frontend
  lab fault kill web1               switch web1 off
  lab fault stop web1 nginx         stop a process of web1
  lab fault drain web1              no new work for web1
  lab fault revoke web1             web1's certificates are revoked
  lab heal                          mend everything")]
pub struct FaultArgs {
    #[command(subcommand)]
    what: What,
}

/// What breaks.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// A node's leg on a segment loses its carrier
    Link {
        /// The node
        node: String,
        /// The segment
        segment: String,
    },
    /// A node is switched off
    Kill {
        /// The node
        node: String,
    },
    /// A process of a node is stopped, or all of them
    Stop {
        /// The node
        node: String,
        /// The process, as in `lab status`
        process: Option<String>,
    },
    /// The certificates of a node are revoked
    Revoke {
        /// The node
        node: String,
    },
    /// A node gets no new work from any balancer
    Drain {
        /// The node
        node: String,
    },
}

impl From<What> for Fault {
    fn from(what: What) -> Self {
        match what {
            What::Link { node, segment } => Fault::Link { node, segment },
            What::Kill { node } => Fault::Kill { node },
            What::Stop { node, process } => Fault::Stop { node, process },
            What::Revoke { node } => Fault::Revoke { node },
            What::Drain { node } => Fault::Drain { node },
        }
    }
}

impl FaultArgs {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, node, segment or process.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let fault = Fault::from(self.what);
        which.find()?.fault(fault.clone())?;
        screen.note(&said(&fault));
        Ok(ExitCode::SUCCESS)
    }
}
