//! `lab matrix`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lab_core::check::Lab;
use lab_core::model::Place;
use lab_core::plan::{Plan, diff, with_faults};
use lab_core::predict::{Kind, Matrix, Model, clients, kinds, matrix};
use lab_core::run::client::RunningLab;
use serde_json::json;

use super::explain::unasked;
use crate::matrix::{Disagreement, compare, disagreements, page, table};
use crate::output::{Colour, Failure, Screen};
use crate::running::Which;
use crate::source::LabFile;

/// Show what every client reaches: each name, each port, and the rule that decides
///
/// Predicted from the lab file alone, for every port that an ACL, a VIP or a service names and a
/// sample of others. With --live each name is looked up and each connection tried from inside the
/// clients of the running lab; what is not as predicted is listed, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab matrix
  lab matrix shop.yaml --from visitor --html reach.html
  lab matrix --port 25 --port udp/53
  lab matrix --live                  does the running lab do what its file says?
  lab matrix --json | jq '.rows[] | select(.client == \"pc1\") | .name'")]
pub struct MatrixArgs {
    #[command(flatten)]
    file: LabFile,
    /// A node that asks; may be repeated [default: all that offer nothing themselves]
    #[arg(long, value_name = "NODE")]
    from: Vec<String>,
    /// A port (`443`, `udp/53`); may be repeated [default: all that the lab names, and a sample]
    #[arg(long, value_name = "PORT")]
    port: Vec<Kind>,
    /// Try it in the running lab, too, and say where that disagrees
    #[arg(long)]
    live: bool,
    /// Write it as a page into this file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl MatrixArgs {
    /// Does it.
    ///
    /// # Errors
    /// The lab file is not in order; with `--live`, its lab is not up or not as the file says.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        if !self.live {
            which.unused()?;
        }
        if let Some(kind) = self.port.iter().find(|kind| kind.port().is_none()) {
            return Err(Failure::usage(
                format!("`{kind}` has no port"),
                "a matrix is about TCP and UDP; `lab explain` knows the rest",
            ));
        }
        let (lab, mut plan) = self.file.lab_and_plan(screen)?;
        let running = match self.live {
            true => Some(running(&lab, &mut plan, which)?),
            false => None,
        };
        let model = Model::new(&lab, &plan);
        let from = match self.from.is_empty() {
            true => clients(&model)
                .into_iter()
                .filter(|name| plan.nodes.get(name).is_some_and(|node| node.running))
                .collect(),
            false => self.from.clone(),
        };
        let ports = match self.port.is_empty() {
            true => kinds(&lab, &plan),
            false => self.port.clone(),
        };
        let matrix = matrix(&model, &from, &ports).map_err(unasked)?;
        if matrix.rows.is_empty() {
            screen.note("No client of this lab finds a name: name the nodes that ask with `--from`, or give the lab a zone.");
        }
        let seen = match &running {
            Some(running) => Some(compare(&lab, &matrix, running)?),
            None => None,
        };
        self.show(&matrix, seen.as_deref(), screen)?;
        let agrees = seen.is_none_or(|seen| seen.is_empty());
        Ok(ExitCode::from(u8::from(!agrees)))
    }

    fn show(
        &self,
        matrix: &Matrix,
        seen: Option<&[Disagreement]>,
        screen: &Screen,
    ) -> Result<(), Failure> {
        if let Some(file) = &self.html {
            std::fs::write(file, page(matrix, seen)).map_err(|error| {
                Failure::host(format!("can't write {}: {error}", file.display()), None)
            })?;
        }
        if self.json {
            return screen.json(&json!({
                "lab": matrix.lab,
                "kinds": matrix.kinds,
                "rows": matrix.rows,
                "disagreements": seen,
            }));
        }
        let paint = screen.stdout();
        match seen {
            None if self.html.is_some() => Ok(()),
            None => screen.print(&table(matrix, paint)),
            Some([]) => screen.print(&format!(
                "{} does what its file says: {} cells tried\n",
                paint.bold_in(Colour::Green, &matrix.lab),
                cells(matrix)
            )),
            Some(seen) => screen.print(&format!(
                "{}{} disagrees with its file in {} of {} cells\n",
                disagreements(seen, paint),
                paint.bold_in(Colour::Red, &matrix.lab),
                seen.len(),
                cells(matrix)
            )),
        }
    }
}

fn cells(matrix: &Matrix) -> usize {
    matrix.rows.iter().map(|row| row.cells.len()).sum()
}

/// The running lab that the file describes; the plan gets the faults that are in force there.
fn running(lab: &Lab, plan: &mut Plan, which: &Which) -> Result<RunningLab, Failure> {
    let running = which.find()?;
    if running.name != lab.name {
        return Err(Failure::usage(
            format!(
                "the file describes {}, the running lab is {}",
                lab.name, running.name
            ),
            format!(
                "name its file: `lab matrix FILE --live -l {}`",
                running.name
            ),
        ));
    }
    let faults = running.status()?.faults.into_iter().collect();
    *plan = with_faults(plan, &faults);
    let in_force = without_places(running.plan()?);
    if !diff(&in_force, &without_places(plan.clone())).is_empty() {
        return Err(Failure::usage(
            format!("the running lab {} is not what this file says", lab.name),
            "`lab apply` makes it so, and `lab apply --dry-run` tells the difference",
        ));
    }
    Ok(running)
}

/// Without the lines that things stand at: the same file has another name from another folder.
fn without_places(mut plan: Plan) -> Plan {
    for node in plan.nodes.values_mut() {
        for route in &mut node.routes {
            route.place = Place::default();
        }
        for rule in node
            .rules
            .chains
            .iter_mut()
            .flat_map(|chain| &mut chain.rules)
        {
            rule.place = None;
        }
    }
    plan
}
