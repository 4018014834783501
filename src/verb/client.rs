//! `lab client`: a built-in client, as the runner of scenarios starts it inside a node.

use std::process::ExitCode;

use clap::Args;
use lab_core::scenario::client::Errand;

use crate::output::{Failure, Screen};

/// Do an errand of a scenario with a built-in client, and print the answers as JSON
///
/// The runner starts it inside a node; there is no need to use it by hand.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  lab client '{\"ask\":{\"tcp\":\"localhost:80\"},\"times\":1,\"limit\":1000}'")]
pub struct Client {
    /// The errand
    errand: String,
}

impl Client {
    /// Does it.
    ///
    /// # Errors
    /// It is no errand. What the network refuses is an answer.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        let errand: Errand = serde_json::from_str(&self.errand).map_err(|error| {
            Failure::usage(
                format!("this is no errand of a scenario: {error}"),
                "`lab test` does errands; `lab exec` runs stock clients",
            )
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::host(format!("can't start the client: {error}"), None))?;
        let answers = runtime.block_on(lab_nodes::client::run(errand));
        let text = serde_json::to_string(&answers)
            .map_err(|error| Failure::host(format!("can't write the answers: {error}"), None))?;
        screen.print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
