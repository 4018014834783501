//! `lab graph`.

use std::process::ExitCode;

use clap::Args;

use crate::graph::{Format, draw};
use crate::output::{Failure, Screen};
use crate::running::Which;
use crate::source::LabFile;

/// Draw a lab: zones, segments, nodes with their addresses, VIPs
///
/// With -l NAME the lab that is up, with what is broken in it; else what the lab file says.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab graph > lab.svg
  lab graph contoso --format mermaid
  lab graph router --format dot | dot -Tpng > router.png
  lab graph -l contoso > now.svg")]
pub struct Graph {
    #[command(flatten)]
    file: LabFile,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
}

impl Graph {
    /// Does it.
    ///
    /// # Errors
    /// The lab file is not in order, or the lab is not up.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        if which.name.is_some() && self.file.file.is_some() {
            return Err(Failure::usage(
                "a picture shows either a file or a running lab",
                "leave out FILE, or `-l`",
            ));
        }
        let plan = match &which.name {
            Some(_) => which.find()?.plan()?,
            None => self.file.plan(screen)?,
        };
        screen.print(&draw(&plan, self.format))?;
        Ok(ExitCode::SUCCESS)
    }
}
