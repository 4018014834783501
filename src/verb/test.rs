//! `lab test`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::Args;
use lab_core::coverage::Coverage;
use lab_core::observe::Journey;
use lab_core::scenario::report::{Tell, github, html, junit};
use lab_core::scenario::{Choice, Event, Interrupt, Outcome, Results, Task, run_all};
use nix::sys::signal::{SigSet, Signal};

use crate::journey::tree;
use crate::mutation::{Wanted, try_all};
use crate::output::{Failure, Paint, Screen, When};
use crate::running::Which;
use crate::scenarios::batch::{self, Batch, is_meant};
use crate::scenarios::labs::{Found, Isolated, Shared, find_or_start};
use crate::scenarios::sources::sets;
use crate::scenarios::{change, coverage, terminal};

/// Do scenarios, and say whether all is as they expect
///
/// A scenario is for the lab whose `lab.yaml` is in its folder or above. If that lab is up, it is
/// used; else one comes up for the run, and goes afterwards. Without PATH: ./scenarios beside
/// ./lab.yaml, else the built-in ones of contoso. What a scenario breaks is mended when it ends.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab test                              ./scenarios, else the built-in contoso
  lab test router nat                   scenarios of built-in labs
  lab test scenarios/flows --filter B2  what covers B2, has the tag, or B2 in its title or path
  lab test --isolate --jobs 4           a fresh lab for each
  lab test --junit out.xml --html out.html
  lab test --json | jq .scenarios
  lab test --coverage                   which rules, links, records … they used, and which never
  lab test perimeter --mutate           which changes of the lab does no scenario notice?
  lab test --mutate --only acl --sample 50 --resume found.json
  lab test --watch                      again when a file changes")]
pub struct Test {
    /// Scenario files, folders with such, or names of built-in labs
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Only scenarios with this requirement or tag, or this in their title or path; may be repeated
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Of a scenario's steps only this one, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    step: Option<u32>,
    /// The lab file [default: lab.yaml in the scenario's folder or above]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// A fresh lab for each scenario
    #[arg(long)]
    isolate: bool,
    /// Scenarios at the same time, where they do not disturb each other [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: Option<u32>,
    /// Let everything take N times as long as scenarios say, on a slow machine: `timeout`, `wait`,
    /// `outage` and `within`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    patience: u32,
    /// Write JUnit XML
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// Write a page of HTML that needs nothing else
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long, conflicts_with = "github")]
    json: bool,
    /// Print annotations for GitHub Actions
    #[arg(long)]
    github: bool,
    /// Say what of the lab they exercised, and what never; --json and --html say it, too
    #[arg(long)]
    coverage: bool,
    #[command(flatten)]
    mutations: Wanted,
    /// List the scenarios, and do nothing
    #[arg(long)]
    list: bool,
    /// Again when a file changes
    #[arg(long)]
    watch: bool,
}

impl Test {
    /// Does it.
    ///
    /// # Errors
    /// A file is not in order, no scenario is meant, or the lab does not come up.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let interrupt: &'static Interrupt = Box::leak(Box::default());
        on_signals(interrupt)?;
        if !self.watch {
            let batches = self.batches(screen)?;
            if self.mutations.mutate {
                which.unused()?;
                let jobs = self.jobs.map_or_else(processors, |jobs| jobs as usize);
                return try_all(
                    &self.mutations,
                    &batches,
                    jobs,
                    self.json,
                    interrupt,
                    screen,
                );
            }
            return self.once(batches, which, interrupt, screen);
        }
        loop {
            let files = self.files();
            // Before they are read: what changes meanwhile is seen.
            let before = change::times(&files);
            let outcome = self
                .batches(screen)
                .and_then(|batches| self.once(batches, which, interrupt, screen));
            if let Err(failure) = outcome {
                failure.report(screen);
            }
            if interrupt.is_set() || !change::wait(&files, &before, interrupt) {
                return Ok(ExitCode::from(130));
            }
        }
    }

    /// The files that a run is made from, and their folders, in which files come and go.
    fn files(&self) -> Vec<String> {
        let named = match self.paths.is_empty() {
            true => vec!["lab.yaml".to_owned(), "scenarios".to_owned()],
            false => self.paths.clone(),
        };
        let found = sets(&self.paths, self.file.as_deref()).unwrap_or_default();
        let read = found.iter().flat_map(batch::files);
        let mut files: Vec<String> = named.into_iter().chain(read).collect();
        let folders: Vec<String> = files
            .iter()
            .filter_map(|file| Path::new(file).parent())
            .map(|folder| folder.display().to_string())
            .filter(|folder| !folder.is_empty())
            .collect();
        files.extend(folders);
        files.sort();
        files.dedup();
        files
    }

    /// The scenarios that are meant, by lab.
    fn batches(&self, screen: &Screen) -> Result<Vec<Batch>, Failure> {
        let sets = sets(&self.paths, self.file.as_deref())?;
        let checked: Vec<Result<Batch, Failure>> =
            sets.iter().map(|set| batch::check(set, screen)).collect();
        let mut batches = checked.into_iter().collect::<Result<Vec<_>, _>>()?;
        let all: Vec<String> = batches
            .iter()
            .flat_map(|batch| &batch.tasks)
            .map(|(_, title)| title.id.clone())
            .collect();
        for batch in &mut batches {
            for filter in &self.filter {
                choose(&mut batch.tasks, filter, all.contains(filter));
            }
        }
        batches.retain(|batch| !batch.tasks.is_empty());
        if batches.is_empty() {
            let wanted = self.filter.join("` and `");
            return Err(Failure::usage(
                format!("no scenario is meant by `{wanted}`"),
                "`lab test --list` lists all of them",
            ));
        }
        Ok(batches)
    }

    fn once(
        &self,
        batches: Vec<Batch>,
        which: &Which,
        interrupt: &Interrupt,
        screen: &Screen,
    ) -> Result<ExitCode, Failure> {
        if self.list {
            return list(&batches, screen);
        }
        let results = Mutex::new(Results::default());
        let emit = |event: Event| {
            let mut results = lock(&results);
            results.take(&event);
            terminal::progress(&event, &results, screen);
        };
        let mut trouble = None;
        let mut exercised = Vec::new();
        for batch in batches {
            if interrupt.is_set() {
                break;
            }
            let before = lock(&results).scenarios.len();
            match self.one_lab(batch, which, interrupt, screen, &emit) {
                Ok(None) => {}
                Ok(Some(mut coverage)) => {
                    for one in &lock(&results).scenarios[before..] {
                        if one.outcome == Some(Outcome::Passed) {
                            coverage.proved(&one.title.covers);
                        }
                    }
                    exercised.push(coverage);
                }
                Err(failure) => {
                    trouble = Some(failure);
                    break;
                }
            }
        }
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.coverage = exercised;
        results.interrupted |= interrupt.is_set();
        self.report(&results, screen)?;
        match trouble {
            _ if results.interrupted => Ok(ExitCode::from(130)),
            Some(failure) => Err(failure),
            None if results.count(Outcome::Passed) == results.wanted => Ok(ExitCode::SUCCESS),
            None => Ok(ExitCode::from(1)),
        }
    }

    fn one_lab(
        &self,
        batch: Batch,
        which: &Which,
        interrupt: &Interrupt,
        screen: &Screen,
        emit: &(dyn Fn(Event) + Sync),
    ) -> Result<Option<Coverage>, Failure> {
        let choice = Choice {
            step: self.step.map(|step| step as usize),
            patience: self.patience,
        };
        let jobs = self.jobs.map_or_else(processors, |jobs| jobs as usize);
        let Batch { tasks, whole, .. } = batch;
        let coverage = self.coverage.then(|| Mutex::new(whole));
        let told = |found: &Found| {
            if let Some(coverage) = &coverage
                && let Err(refusal) = found.tell(&mut lock(coverage))
            {
                lock(coverage).gaps.push(refusal.message);
            }
        };
        if self.isolate {
            which.unused()?;
            let labs = Isolated {
                name: &batch.lab,
                up: &batch.up,
                routers: &batch.routers,
                interrupt,
                after: &|_, found| told(found),
            };
            run_all(tasks, &labs, jobs, choice, interrupt, emit);
        } else {
            let found = self.lab(&batch.lab, &batch.up, which, interrupt, screen)?;
            let labs = Shared {
                found: &found,
                routers: &batch.routers,
                interrupt,
            };
            run_all(tasks, &labs, jobs, choice, interrupt, emit);
            told(&found);
        }
        let whole = coverage.map(Mutex::into_inner);
        Ok(whole.map(|whole| whole.unwrap_or_else(PoisonError::into_inner)))
    }

    fn lab(
        &self,
        name: &str,
        up: &str,
        which: &Which,
        interrupt: &Interrupt,
        screen: &Screen,
    ) -> Result<Found, Failure> {
        if which.name.is_some() {
            return Ok(Found::running(which.find()?));
        }
        let found = find_or_start(name, up, interrupt);
        if interrupt.is_set() {
            return Err(Failure::Reported(130));
        }
        let found = found?;
        let how = match found.is_own() {
            true => "came up for this run",
            false => "is up and is used",
        };
        screen.note(&format!("{name} {how}"));
        if let Some(refusal) = found.blind() {
            screen.note(&format!("ways are not seen: {}", refusal.message));
        }
        Ok(found)
    }

    fn report(&self, results: &Results, screen: &Screen) -> Result<(), Failure> {
        let tell = |journey: &Journey| tree(journey, None, Paint::new(When::Never, false));
        for (path, text) in [
            (&self.junit, junit as fn(&Results, Tell<'_>) -> String),
            (&self.html, html),
        ] {
            if let Some(path) = path {
                write(path, &text(results, &tell))?;
            }
        }
        if self.json {
            return screen.json(results);
        }
        if self.github {
            screen.print(&github(results))?;
        }
        let told = results.coverage.iter();
        let told: String = told
            .map(|one| format!("{}\n", coverage::told(one, screen.stdout())))
            .collect();
        screen.print(&format!(
            "{told}{}",
            terminal::summary(results, screen.stdout())
        ))
    }
}

/// Keeps what a filter means; `exact`: it is the whole id of some scenario.
fn choose(tasks: &mut Vec<Task>, filter: &str, exact: bool) {
    tasks.retain(|(_, title)| match exact {
        true => title.id == filter,
        false => is_meant(title, filter),
    });
}

fn list(batches: &[Batch], screen: &Screen) -> Result<ExitCode, Failure> {
    let mut text = String::new();
    for batch in batches {
        for (_, title) in &batch.tasks {
            let covers = match title.covers.is_empty() {
                true => String::new(),
                false => format!("  [{}]", title.covers.join(" ")),
            };
            text.push_str(&format!(
                "{}  {}  {}{covers}\n",
                title.lab,
                title.id,
                title.name()
            ));
        }
    }
    screen.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::host(format!("can't write {}: {error}", path.display()), None))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// From now on SIGINT, SIGTERM and SIGHUP ask for the end; a second one does not wait for it. Must
/// be called before any other thread exists.
fn on_signals(interrupt: &'static Interrupt) -> Result<(), Failure> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    signals
        .thread_block()
        .map_err(|error| Failure::host(format!("can't hold back signals: {error}"), None))?;
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            if interrupt.is_set() {
                // Labs that came up for us go with us.
                std::process::exit(130);
            }
            interrupt.set();
        }
    });
    Ok(())
}
