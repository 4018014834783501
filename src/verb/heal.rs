//! `lab heal`.

use std::process::ExitCode;

use clap::Args;
use lab_core::plan::Fault;

use super::fault::What;
use crate::output::{Failure, Screen};
use crate::overview::said;
use crate::running::Which;

/// Mend what `lab fault` broke: one fault, or all
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab heal                          all faults
  lab heal kill web1                this one")]
pub struct Heal {
    #[command(subcommand)]
    what: Option<What>,
}

impl Heal {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, or the fault is not in force.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let fault = self.what.map(Fault::from);
        which.find()?.heal(fault.clone())?;
        screen.note(&match fault {
            Some(fault) => format!("no longer: {}", said(&fault)),
            None => "all faults are mended".to_owned(),
        });
        Ok(ExitCode::SUCCESS)
    }
}
