//! `lab schema`.

use std::process::ExitCode;

use clap::Args;
use lab_core::check::schema;
use lab_nodes::CATALOGUE;

use crate::output::{Failure, Screen};

/// Print the JSON schema of the lab file, options of all services included
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab schema > lab.schema.json
  # then, in the first line of a lab file, for editors with a YAML language server:
  # yaml-language-server: $schema=lab.schema.json")]
pub struct Schema {}

impl Schema {
    /// Does it.
    ///
    /// # Errors
    /// The output can't be written.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        // As it is: a `version` beside the schema's own keys would be no schema's.
        screen.print(&format!("{:#}\n", schema(CATALOGUE)))?;
        Ok(ExitCode::SUCCESS)
    }
}
