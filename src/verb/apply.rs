//! `lab apply`.

use std::process::ExitCode;

use clap::Args;
use lab_core::plan::{diff, with_faults};
use lab_core::run::client::{RunningLab, running_labs};
use lab_core::run::control::Refusal;

use crate::changes::sentence;
use crate::interrupt;
use crate::output::{Colour, Failure, Reporter, Screen};
use crate::source::LabFile;

/// Make a running lab like its file; what did not change is not touched
///
/// If a part of it fails, the lab is brought back to what it was.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab apply
  lab apply shop.yaml --dry-run      only say what would change")]
pub struct Apply {
    #[command(flatten)]
    file: LabFile,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

impl Apply {
    /// Does it.
    ///
    /// # Errors
    /// The lab file is not in order, its lab is not up, or the change failed.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        interrupt::says("nothing was changed")?;
        let (plan, _) = self.file.plan_to_build(screen)?;
        let lab = find(&plan.lab)?;
        let in_force = lab.plan()?;
        // Faults stay in force while a file is applied, so what they broke is no change.
        let faults = lab.status()?.faults.into_iter().collect();
        let as_it_will_be = with_faults(&plan, &faults);
        let changes: Vec<String> = diff(&in_force, &as_it_will_be)
            .iter()
            .map(sentence)
            .collect();
        let mut text: String = changes
            .iter()
            .map(|change| format!("  {change}\n"))
            .collect();
        if self.dry_run {
            let verdict = match changes.len() {
                0 => format!("nothing would change in {}\n", plan.lab),
                count => format!("{} would change in {}\n", counted(count), plan.lab),
            };
            text.push_str(&verdict);
            screen.print(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut reporter = Reporter::new(screen);
        let name = plan.lab.clone();
        interrupt::says(&format!(
            "the change is finished, or taken back, all the same: `lab status -l {name}` tells"
        ))?;
        let outcome = lab.apply(plan, &mut |step| reporter.step(step));
        let took = reporter.finish();
        outcome?;
        let paint = screen.stdout();
        text.push_str(&match changes.len() {
            0 => format!(
                "{} is as its file says; nothing changed\n",
                paint.bold_in(Colour::Green, &name)
            ),
            count => format!(
                "{} is as its file says: {} changed in {:.2} s\n",
                paint.bold_in(Colour::Green, &name),
                counted(count),
                took.as_secs_f64()
            ),
        });
        screen.print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn find(name: &str) -> Result<RunningLab, Refusal> {
    let mut labs = running_labs()?;
    match labs.iter().position(|lab| lab.name == name) {
        Some(position) => Ok(labs.swap_remove(position)),
        None => Err(Refusal {
            message: format!("the lab {name} is not up"),
            help: Some(match labs.as_slice() {
                [] => "`lab up` with the same file brings it up".to_owned(),
                _ => format!(
                    "`lab up` with the same file brings it up; up: {}",
                    labs.iter()
                        .map(|lab| lab.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            }),
            code: 2,
        }),
    }
}

fn counted(count: usize) -> String {
    if count == 1 {
        "1 thing".to_owned()
    } else {
        format!("{count} things")
    }
}
