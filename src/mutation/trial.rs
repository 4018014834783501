//! The scenarios in labs that are changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lab_core::check::Lab;
use lab_core::mutate::{Fate, Mutated, Mutation, Report, explanation, mutations};
use lab_core::plan::plan;
use lab_core::predict::Model;
use lab_core::scenario::{Choice, Event, Interrupt, Outcome, Results, Task, perform, run_all};
use lab_nodes::CATALOGUE;

use super::state::State;
use super::words;
use crate::output::{Failure, Screen};
use crate::scenarios::batch::Batch;
use crate::scenarios::labs::{Isolated, stage, start};
use crate::scenarios::terminal;

/// Longest reason that is kept.
const LONGEST: usize = 400;
/// How many scenarios are tried, the likeliest first, where a mutation changes nothing but which rule
/// decides.
const ENOUGH: usize = 10;
/// A scenario that fails sooner is run once more.
const HASTY: Duration = Duration::from_secs(10);

/// The mutations of one lab, tried.
pub struct Trial<'a> {
    /// The lab and its scenarios.
    pub batch: &'a Batch,
    /// Labs at the same time.
    pub jobs: usize,
    /// Whether to end.
    pub interrupt: &'a Interrupt,
    /// Where progress goes.
    pub screen: &'a Screen,
}

struct Shared<'a> {
    waiting: VecDeque<&'a Mutation>,
    report: Report,
    state: &'a mut State,
    trouble: Option<Failure>,
}

impl Trial<'_> {
    /// Tries those that were not tried before.
    ///
    /// # Errors
    /// A scenario fails where nothing is changed, or a lab can't be made.
    pub fn run(&self, wanted: &[Mutation], state: &mut State) -> Result<Report, Failure> {
        let mut report = state.report(&self.batch.lab, &self.batch.digest())?;
        report.wanted = wanted.len();
        report.interrupted = false;
        let ids: BTreeSet<&String> = wanted.iter().map(|one| &one.id).collect();
        if report.scenarios.is_empty() {
            self.unchanged(&mut report)?;
        }
        let untried = wanted
            .iter()
            .filter(|one| !report.mutations.contains_key(&one.id));
        let shared = Mutex::new(Shared {
            waiting: untried.collect(),
            report,
            state,
            trouble: None,
        });
        let jobs = self.jobs.clamp(1, wanted.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| self.work(&shared));
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = shared.trouble {
            return Err(trouble);
        }
        let mut report = shared.report;
        report.interrupted = self.interrupt.is_set();
        // What the file holds besides was asked for another time.
        report.mutations.retain(|id, _| ids.contains(id));
        Ok(report)
    }

    /// What each scenario exercises where nothing is changed. All of them must hold.
    fn unchanged(&self, report: &mut Report) -> Result<(), Failure> {
        self.screen.note(&format!(
            "{}: {} scenarios where nothing is changed",
            self.batch.lab,
            self.batch.tasks.len()
        ));
        let used = Mutex::new(BTreeMap::new());
        let labs = Isolated {
            name: &self.batch.lab,
            up: &self.batch.up,
            routers: &self.batch.routers,
            interrupt: self.interrupt,
            after: &|scenario, found| {
                let mut coverage = self.batch.whole.clone();
                // Without it the order is a worse one, and nothing else.
                if found.tell(&mut coverage).is_ok() {
                    let subjects = coverage.exercised().cloned().collect::<BTreeSet<_>>();
                    lock(&used).insert(scenario.id.clone(), subjects);
                }
            },
        };
        let results = Mutex::new(Results::default());
        let tasks = self.batch.tasks.clone();
        run_all(
            tasks,
            &labs,
            self.jobs,
            Choice::default(),
            self.interrupt,
            &|event| {
                lock(&results).take(&event);
            },
        );
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        if results.interrupted {
            return Err(Failure::Reported(130));
        }
        if results.count(Outcome::Passed) < results.wanted {
            self.screen
                .print(&terminal::summary(&results, self.screen.stdout()))?;
            self.screen
                .note("scenarios must hold before anything is changed");
            return Err(Failure::Reported(1));
        }
        let mut used = used.into_inner().unwrap_or_else(PoisonError::into_inner);
        for one in results.scenarios {
            let subjects = used.remove(&one.title.id).unwrap_or_default();
            report
                .scenarios
                .insert(one.title.id, (one.micros, subjects));
        }
        Ok(())
    }

    fn work(&self, shared: &Mutex<Shared<'_>>) {
        loop {
            let (mutation, order) = {
                let mut shared = lock(shared);
                if self.interrupt.is_set() || shared.trouble.is_some() {
                    return;
                }
                let Some(mutation) = shared.waiting.pop_front() else {
                    return;
                };
                (mutation, shared.report.order(mutation, &self.breaking()))
            };
            let began = Instant::now();
            let fate = self.try_one(mutation, &order);
            let mut shared = lock(shared);
            match fate {
                Ok(None) => return,
                Err(failure) => {
                    shared.trouble.get_or_insert(failure);
                    return;
                }
                Ok(Some(fate)) => {
                    let mutated = Mutated {
                        family: mutation.family,
                        how: mutation.how,
                        said: mutation.said.clone(),
                        place: mutation.place.clone(),
                        fate,
                        micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
                    };
                    let left = shared.waiting.len();
                    let line = words::progress(&mutated, left, self.screen.stderr());
                    self.screen.note(&line);
                    shared.report.mutations.insert(mutation.id.clone(), mutated);
                    let Shared { report, state, .. } = &mut *shared;
                    if let Err(failure) = state.keep(report) {
                        shared.trouble.get_or_insert(failure);
                    }
                }
            }
        }
    }

    /// Scenarios that break something.
    fn breaking(&self) -> BTreeSet<String> {
        let alone = self.batch.tasks.iter().filter(|(one, _)| one.alone);
        alone.map(|(one, _)| one.id.clone()).collect()
    }

    /// What becomes of a mutation; none: the user ended it before.
    fn try_one(&self, mutation: &Mutation, order: &[String]) -> Result<Option<Fate>, Failure> {
        if let Some(why) = &mutation.equal {
            return Ok(Some(Fate::Explained { why: why.clone() }));
        }
        let explained = self.explanation(mutation);
        // Another rule that comes to the same end may still be noticed by those that name rules.
        let most = explained.as_ref().map_or(order.len(), |_| ENOUGH);
        let more = ["--mutation", &mutation.id];
        let found = match start(&self.batch.lab, &self.batch.up, &more, self.interrupt) {
            Ok(found) => found,
            Err(_) if self.interrupt.is_set() => return Ok(None),
            // What the host can't do is no merit of the lab.
            Err(refusal) if refusal.code > 2 => return Err(refusal.into()),
            Err(refusal) => {
                let why = shortened(&refusal.message);
                return Ok(Some(Fate::NotUp { why }));
            }
        };
        let stage = stage(&found, &self.batch.routers, self.interrupt);
        for (after, id) in order.iter().take(most).enumerate() {
            let Some((scenario, title)) = self.task(id) else {
                continue;
            };
            let why = Mutex::new(None);
            let emit = |event: Event| {
                if let Event::StepEnded { step, .. } = event
                    && let Some(failure) = &step.failure
                {
                    lock(&why).get_or_insert_with(|| {
                        let seen = shortened(&failure.seen);
                        format!("{} {}: {seen}", step.section.word(), step.number)
                    });
                }
            };
            let run = || perform(scenario, title.clone(), Choice::default(), &stage, &emit);
            // What fails but once, and at once, is the work of a busy machine, not of the change.
            let began = Instant::now();
            let outcome = match run() {
                Outcome::Failed if began.elapsed() < HASTY && !self.interrupt.is_set() => {
                    lock(&why).take();
                    run()
                }
                other => other,
            };
            match outcome {
                Outcome::Passed => {}
                Outcome::Interrupted => return Ok(None),
                Outcome::Failed if self.interrupt.is_set() => return Ok(None),
                Outcome::Failed => {
                    let why = why.into_inner().unwrap_or_else(PoisonError::into_inner);
                    return Ok(Some(Fate::Caught {
                        by: id.clone(),
                        why: why.unwrap_or_default(),
                        after,
                    }));
                }
            }
        }
        Ok(Some(match explained {
            Some(why) => Fate::Explained { why },
            None => Fate::Survived,
        }))
    }

    /// Why it changes nothing that a scenario could notice.
    fn explanation(&self, mutation: &Mutation) -> Option<String> {
        let new = mutation.apply(&self.batch.checked);
        let new_plan = plan(&new, CATALOGUE);
        let old = Model::new(&self.batch.checked, &self.batch.plan);
        explanation(mutation, &old, &Model::new(&new, &new_plan), CATALOGUE)
    }

    fn task(&self, id: &str) -> Option<&Task> {
        self.batch.tasks.iter().find(|(one, _)| one.id == id)
    }
}

/// A lab as the mutation of that id changes it.
///
/// # Errors
/// It has no such mutation.
pub fn changed(lab: &Lab, id: &str) -> Result<Lab, Failure> {
    let all = mutations(lab);
    let found = all.iter().find(|one| one.id == id);
    found.map(|one| one.apply(lab)).ok_or_else(|| {
        let first = all.first().map(|one| format!(", like `{}`", one.id));
        Failure::usage(
            format!("`{id}` is no mutation of {}", lab.name),
            format!(
                "`lab test --mutate --json` has their ids{}",
                first.unwrap_or_default()
            ),
        )
    })
}

fn shortened(text: &str) -> String {
    let text = text.trim_end();
    let end = text.floor_char_boundary(LONGEST);
    match end < text.len() {
        true => format!("{}…", &text[..end]),
        false => text.to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
