//! `lab status`.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::counters::counters;
use crate::output::{Failure, Screen, counted};
use crate::overview::{lasted, overview};
use crate::running::Which;

/// Show what is where in a lab, and how it is
///
/// Nodes by zone with their addresses and processes, VIPs with their members, faults in force, and
/// what the rules of ACLs have counted.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab status
  lab status -l contoso
  lab status --json | jq '.rules.gateway'")]
pub struct Status {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, or it does not answer.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let lab = which.find()?;
        let status = lab.status()?;
        if self.json {
            screen.json(&status)?;
            return Ok(ExitCode::SUCCESS);
        }
        let plan = lab.plan()?;
        let paint = screen.stdout();
        let title = status
            .title
            .as_deref()
            .map(|title| format!(": {title}"))
            .unwrap_or_default();
        let processes = status.nodes.values().map(|node| node.processes.len()).sum();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let text = format!(
            "{}{title}\n{}, up for {}\n\n{}\n\n{}",
            paint.bold(&status.lab),
            counted(status.nodes.len(), processes),
            lasted(now.saturating_sub(status.since / 1000)),
            overview(&plan, &status, paint).trim_end(),
            counters(&plan, &status, paint)
        );
        screen.print(&format!("{}\n", text.trim_end()))?;
        Ok(ExitCode::SUCCESS)
    }
}
