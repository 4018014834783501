//! `lab schema`.

use std::process::ExitCode;

use clap::Args;
use lab_core::check::schema;
use lab_nodes::CATALOGUE;

use crate::output::{Failure, Screen};

/// Print the JSON schema of the lab file, options of all services included, or of scenarios
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab schema > lab.schema.json
  lab schema --scenario > scenario.schema.json
  # then, in the first line of a lab file, for editors with a YAML language server:
  # yaml-language-server: $schema=lab.schema.json")]
pub struct Schema {
    /// The schema of a scenario file
    #[arg(long)]
    scenario: bool,
}

impl Schema {
    /// Does it.
    ///
    /// # Errors
    /// The output can't be written.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        // As it is: a `version` beside the schema's own keys would be no schema's.
        let schema = match self.scenario {
            true => lab_core::scenario::schema(),
            false => schema(CATALOGUE),
        };
        screen.print(&format!("{schema:#}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}
