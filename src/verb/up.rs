//! `lab up`.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use lab_core::plan::Plan;
use lab_core::run::client::running_labs;
use lab_core::run::control::{Status, Timing};
use lab_core::run::interrupts::Interrupts;
use lab_core::run::launcher::{self, Held};
use lab_nodes::CATALOGUE;

use crate::interrupt;
use crate::mutation::changed;
use crate::output::{Colour, Failure, Reporter, Screen, Table, counted, millis};
use crate::overview::overview;
use crate::running::pick;
use crate::source::LabFile;

/// Bring a lab up and wait until every service is healthy
///
/// A service is healthy when an exchange of its own protocol was seen to succeed from another
/// node, through the network. If anything fails, or on ctrl-C, nothing of the lab is left.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab up                              ./lab.yaml, else the built-in contoso
  lab up router                       a built-in lab
  lab up shop.yaml --overlay slow-wan.yaml
  lab up nat --timings                where the time went
  lab up nat --name nat-2             the same lab a second time, beside the first
  lab up --json | jq .nodes")]
pub struct Up {
    #[command(flatten)]
    file: LabFile,
    /// The running lab's name [default: as the file says]; under another one the same lab can be up
    /// twice
    #[arg(long = "name", value_name = "NAME")]
    called: Option<String>,
    /// As a mutation of `lab test --mutate` changes it
    #[arg(long, value_name = "ID")]
    mutation: Option<String>,
    /// Stay until standard input is closed, then take the lab down; it also goes down when this
    /// command dies
    #[arg(long)]
    attached: bool,
    /// Show how long each stage took
    #[arg(long)]
    timings: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Up {
    /// Does it.
    ///
    /// # Errors
    /// The lab file is not in order, the host can't do it, or something did not become healthy.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        let started = Instant::now();
        interrupt::says("nothing is left of it")?;
        let (mut plan, mut stages) = match &self.mutation {
            Some(id) => self.file.changed_to_build(screen, |lab| changed(lab, id))?,
            None => self.file.plan_to_build(screen)?,
        };
        if let Some(name) = self.called {
            if !is_lab_name(&name) {
                return Err(Failure::usage(
                    format!("`{name}` can't be the name of a lab"),
                    "a name has at most 32 letters, digits and hyphens, like a host's",
                ));
            }
            plan.lab = name;
        }
        let mut reporter = Reporter::new(screen);
        let interrupts = Interrupts::hold()?;
        // One thread until this returns: it forks.
        let progress: &mut dyn FnMut(_) = &mut |step| reporter.step(step);
        let outcome = match self.attached {
            true => launcher::up_held(plan.clone(), CATALOGUE, &interrupts, progress).map(Some),
            false => launcher::up(plan.clone(), CATALOGUE, &interrupts, progress).map(|()| None),
        };
        reporter.finish();
        let took = started.elapsed();
        let held = outcome?;
        match &held {
            Some(_) => interrupt::says("nothing is left of it")?,
            None => interrupt::only_ends_the_telling(&format!(
                "{} is up all the same; `lab down {0}` ends it",
                plan.lab
            ))?,
        }
        drop(interrupts);
        stages.append(&mut reporter.stages);
        let status = pick(running_labs()?, Some(&plan.lab))?.status()?;
        if self.json {
            screen.json(&as_json(&status, took, &stages))?;
            return Ok(stay(held));
        }
        let mut text = overview(&plan, &status, screen.stdout());
        text.push_str(&hints(&plan, screen));
        if self.timings {
            text.push_str(&timings(&stages, took, screen));
        }
        let _ = write!(text, "{}", summary(&plan, &status, took, screen));
        screen.print(&text)?;
        Ok(stay(held))
    }
}

/// Waits for the end of standard input where the lab ends with us.
fn stay(held: Option<Held>) -> ExitCode {
    if held.is_some() {
        // What is read does not matter, and neither does why there is no more.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    }
    ExitCode::SUCCESS
}

/// A DNS label of at most 32 characters (RFC 1123 §2.1).
fn is_lab_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=32).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn summary(plan: &Plan, status: &Status, took: Duration, screen: &Screen) -> String {
    let paint = screen.stdout();
    let processes = status.nodes.values().map(|node| node.processes.len()).sum();
    format!(
        "{} is up: {}, all healthy after {:.2} s\n",
        paint.bold_in(Colour::Green, &plan.lab),
        counted(status.nodes.len(), processes),
        took.as_secs_f64()
    )
}

fn hints(plan: &Plan, screen: &Screen) -> String {
    if plan.hints.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", screen.stdout().bold("Try"));
    for hint in &plan.hints {
        let _ = writeln!(text, "  {hint}");
    }
    text.push('\n');
    text
}

fn timings(stages: &[Timing], took: Duration, screen: &Screen) -> String {
    let mut table = Table::default();
    table.row(["stage", "elapsed", "parts", "summed"]);
    for timing in stages {
        let parts = timing.parts.to_string();
        let [elapsed, summed] =
            [timing.micros, timing.summed_micros].map(|time| millis(Duration::from_micros(time)));
        table.row([timing.stage.as_str(), &elapsed, &parts, &summed]);
    }
    table.row(["in all", &millis(took), "", ""]);
    format!(
        "{}\n{}\n{TIMINGS_MEAN}\n",
        screen.stdout().bold("Timings"),
        table.render()
    )
}

/// What the columns are.
const TIMINGS_MEAN: &str = concat!(
    "  elapsed: from the first start in a stage to its last end; the stages overlap\n",
    "  summed: all parts added up, one a node, certificate or process; parts run together,\n",
    "    and each counts the time in which it waited for others\n",
);

fn as_json(status: &Status, took: Duration, stages: &[Timing]) -> serde_json::Value {
    let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    serde_json::json!({
        "lab": status.lab,
        "title": status.title,
        "nodes": status.nodes,
        "micros": micros(&took),
        "stages": stages,
    })
}
