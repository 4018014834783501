//! `lab down`.

use std::process::ExitCode;

use clap::Args;
use lab_core::run::client::running_labs;

use crate::interrupt;
use crate::output::{Failure, Screen};
use crate::running::{Which, pick};

/// End a lab: its processes, its network and what its servers stored are gone when this returns
///
/// Its certificate authority, its last plan and its logs stay in the state folder
/// (`$XDG_STATE_HOME/tierlab`), so that who was told to trust the lab does so after the next `up`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab down              the lab that is up
  lab down contoso      one of several
  lab down --all")]
pub struct Down {
    /// The lab, where several are up
    #[arg(value_name = "LAB", conflicts_with = "all")]
    lab: Option<String>,
    /// All labs of yours; that there is none is no error
    #[arg(long)]
    all: bool,
}

impl Down {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, or it can't be ended.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let running = running_labs()?;
        let labs = if self.all {
            which.unused()?;
            running
        } else {
            vec![pick(
                running,
                self.lab.as_deref().or(which.name.as_deref()),
            )?]
        };
        let mut outcome = Ok(ExitCode::SUCCESS);
        for lab in labs {
            interrupt::says(&format!("{} may be ending all the same", lab.name))?;
            match lab.down() {
                Ok(()) => screen.note(&format!("{} is down", lab.name)),
                // The others can still be ended.
                Err(refusal) => {
                    let code = Failure::from(refusal).report(screen);
                    outcome = Ok(code);
                }
            }
        }
        outcome
    }
}
