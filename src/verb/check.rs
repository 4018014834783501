//! `lab check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lab_core::check::{Checked, Diagnostic, Lab, Severity, render};
use lab_core::kernel::facility::{State, survey_of};
use lab_core::plan::plan;
use lab_core::predict::{Change, Model, changes};
use lab_core::run::launcher;
use lab_core::scenario::{Known, find, load};
use lab_nodes::CATALOGUE;
use serde_json::{Value, json};

use crate::against::opened_and_closed;
use crate::output::{Colour, Failure, Screen};
use crate::source::{LabFile, Verdict};

/// Find everything that is wrong with a lab file, without starting anything
///
/// What the lab needs of the kernel is tried, in namespaces that end with the trial. The exit code
/// is 2 where the file is wrong, 3 where this host lacks something.
///
/// With --against both labs are asked who reaches whom at which port, and what differs is listed
/// with the rule that made the difference.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab check
  lab check shop.yaml --overlay slow-wan.yaml
  lab check --against before.yaml    what does the change open and close?
  lab check shop.yaml --scenario scenarios       and what would be done in it
  lab check --json | jq '.diagnostics[].message'")]
pub struct Check {
    #[command(flatten)]
    file: LabFile,
    /// Tell what the lab opens and closes against this older one
    #[arg(long, value_name = "OLD")]
    against: Option<String>,
    /// Check these scenarios, too: a file, or a folder with such; may be repeated
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    scenario: Vec<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Does it.
    ///
    /// # Errors
    /// There is no such file. A lab that is not in order is a result, with exit code 2.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        let Verdict {
            mut checked,
            mut code,
            ..
        } = self.file.check()?;
        let scenarios = self.scenarios(&mut checked)?;
        if code == 0 && checked.has_errors() {
            code = 2;
        }
        // What every lab needs is no mistake of the file: it is said apart.
        let no_lab_here = survey_of(|name| code == 0 && name == "namespaces")
            .into_iter()
            .find_map(|facility| match facility.state {
                State::Missing(refusal) => Some(launcher::forbidden("namespaces", &refusal)),
                State::Works => None,
            });
        let changes = match (&self.against, &checked.lab) {
            (Some(old), Some(lab)) if code != 2 => Some(changes_against(old, lab, screen)?),
            _ => None,
        };
        if self.json {
            let mut value = as_json(&checked, code == 0);
            if let (Some(changes), Value::Object(map)) = (&changes, &mut value) {
                map.insert("changes".into(), json!(changes));
            }
            screen.json(&value)?;
        } else {
            if !checked.diagnostics.is_empty() {
                screen.note(render(&checked, screen.stderr().is_on()).trim_end());
            }
            // Of errors the report has the count.
            if let Some(lab) = checked.lab.as_ref().filter(|_| code == 0) {
                screen.print(&in_order(
                    lab,
                    scenarios,
                    count(&checked, Severity::Warning),
                    screen,
                ))?;
            }
            if let Some(changes) = &changes {
                screen.print(&opened_and_closed(changes, screen.stdout()))?;
            }
        }
        match no_lab_here {
            Some(refusal) => Err(refusal.into()),
            None => Ok(ExitCode::from(code)),
        }
    }
}

/// What the lab opens and closes against an older one.
fn changes_against(old: &str, lab: &Lab, screen: &Screen) -> Result<Vec<Change>, Failure> {
    let old = LabFile {
        file: Some(old.to_owned()),
        overlay: Vec::new(),
    };
    let (old, old_plan) = old.lab_and_plan(screen)?;
    let plan = plan(lab, CATALOGUE);
    Ok(changes(
        &Model::new(&old, &old_plan),
        &Model::new(lab, &plan),
    ))
}

impl Check {
    /// Checks the scenarios that are named against the lab; how many are in order.
    fn scenarios(&self, checked: &mut Checked) -> Result<usize, Failure> {
        let Some(lab) = checked.lab.as_ref().filter(|_| !self.scenario.is_empty()) else {
            return Ok(0);
        };
        let mut texts = Vec::new();
        for path in &self.scenario {
            texts.extend(find(path)?);
        }
        let plan = plan(lab, CATALOGUE);
        let loaded = load(&texts, &Known { lab, plan: &plan });
        checked.diagnostics.extend(loaded.diagnostics);
        checked.sources.extend(loaded.sources);
        Ok(loaded.scenarios.len())
    }
}

fn count(checked: &Checked, severity: Severity) -> usize {
    checked
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == severity)
        .count()
}

fn in_order(lab: &Lab, scenarios: usize, warnings: usize, screen: &Screen) -> String {
    let plural =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let scenarios = match scenarios {
        0 => String::new(),
        count => format!(", {}", plural(count, "scenario")),
    };
    let warnings = match warnings {
        0 => String::new(),
        count => format!(", {}", plural(count, "warning")),
    };
    format!(
        "{} is in order: {}, {}{scenarios}{warnings}\n",
        screen.stdout().bold_in(Colour::Green, &lab.name),
        plural(lab.segments.len(), "segment"),
        plural(lab.nodes.len(), "node"),
    )
}

fn as_json(checked: &Checked, in_order: bool) -> Value {
    json!({
        "lab": checked.lab.as_ref().map(|lab| &lab.name),
        "valid": in_order && checked.lab.is_some(),
        "diagnostics": checked.diagnostics.iter().map(one_as_json).collect::<Vec<_>>(),
    })
}

fn one_as_json(diagnostic: &Diagnostic) -> Value {
    let labels = diagnostic.labels.iter().map(|(place, label)| {
        json!({
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "offset": place.offset,
            "length": place.len,
            "label": label,
        })
    });
    json!({
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "labels": labels.collect::<Vec<_>>(),
    })
}
