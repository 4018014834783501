//! `lab check`.

use std::process::ExitCode;

use clap::Args;
use lab_core::check::{Checked, Diagnostic, Severity, load, render};
use lab_nodes::CATALOGUE;
use serde_json::{Value, json};

use crate::output::{Colour, Failure, Screen};
use crate::source::LabFile;

/// Find everything that is wrong with a lab file, without starting anything
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab check
  lab check shop.yaml --overlay slow-wan.yaml
  lab check --json | jq '.diagnostics[].message'")]
pub struct Check {
    #[command(flatten)]
    file: LabFile,
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
        let checked = load(&self.file.find()?, CATALOGUE);
        let errors = count(&checked, Severity::Error);
        if self.json {
            screen.json(&as_json(&checked, errors == 0))?;
        } else {
            if !checked.diagnostics.is_empty() {
                screen.note(render(&checked, screen.stderr().is_on()).trim_end());
            }
            match verdict(&checked, errors, screen) {
                Ok(good) => screen.print(&good)?,
                Err(bad) => screen.note(&bad),
            }
        }
        Ok(if errors == 0 && checked.lab.is_some() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        })
    }
}

fn count(checked: &Checked, severity: Severity) -> usize {
    checked
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == severity)
        .count()
}

fn verdict(checked: &Checked, errors: usize, screen: &Screen) -> Result<String, String> {
    let plural =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let warnings = match count(checked, Severity::Warning) {
        0 => String::new(),
        count => format!(", {}", plural(count, "warning")),
    };
    match &checked.lab {
        Some(lab) if errors == 0 => Ok(format!(
            "{} is in order: {}, {}{warnings}\n",
            screen.stdout().bold_in(Colour::Green, &lab.name),
            plural(lab.segments.len(), "segment"),
            plural(lab.nodes.len(), "node"),
        )),
        _ => {
            let errors = plural(errors, "error");
            Err(format!(
                "{}{warnings}",
                screen.stderr().bold_in(Colour::Red, &errors)
            ))
        }
    }
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
