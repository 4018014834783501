//! Does a scenario: its steps one after the other, and afterwards what mends the lab.

use std::time::{Duration, Instant};

use crate::plan::Fault;
use crate::run::control::{ProcessState, Refusal, Status};

use super::attempt::{Attempt, Stage, attempt, refused};
use super::checked::{Action, Scenario, Step};
use super::client::Jars;
use super::event::{Event, Failure, Outcome, Section, StepReport, Title};
use super::meanwhile::{Span, go_on};
use super::world::{Interrupt, TICK};

/// Between two tries of a step that waits.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a lab may take to be as it was before a scenario broke something.
const RECOVERY: Duration = Duration::from_secs(30);

/// Who hears what happens.
pub type Emit<'a> = &'a (dyn Fn(Event) + Sync);

/// What of a scenario is done, and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Of its steps only this one, from 1; set-up and teardown are done all the same.
    pub step: Option<usize>,
    /// How many times as long as written everything may take: above 1 on a slow machine.
    pub patience: u32,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            step: None,
            patience: 1,
        }
    }
}

/// Does a scenario and says what happens.
pub fn perform(
    scenario: &Scenario,
    title: Title,
    choice: Choice,
    stage: &Stage<'_>,
    emit: Emit<'_>,
) -> Outcome {
    let began = Instant::now();
    emit(Event::ScenarioBegan { scenario: title });
    let scenario = &scenario.with_patience(choice.patience);
    let mut run = Run {
        scenario,
        recovery: RECOVERY.saturating_mul(choice.patience),
        stage,
        emit,
        jars: Jars::new(),
        broken: Vec::new(),
        before: None,
        failed: false,
    };
    let whole = run.section(Section::Setup, &scenario.setup, None)
        && run.section(Section::Steps, &scenario.steps, choice.step);
    // Afterwards is done whatever happened, and by the interrupted, too.
    let calm = Interrupt::default();
    let after = Stage {
        world: stage.world,
        observer: stage.observer,
        routers: stage.routers.clone(),
        interrupt: &calm,
    };
    run.stage = &after;
    run.section(Section::Teardown, &scenario.teardown, None);
    run.mend();
    let outcome = match (run.failed, whole || !stage.interrupt.is_set()) {
        (true, _) => Outcome::Failed,
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::Interrupted,
    };
    emit(Event::ScenarioEnded {
        id: scenario.id.clone(),
        outcome,
        micros: micros(began),
    });
    outcome
}

struct Run<'a> {
    scenario: &'a Scenario,
    /// How long the lab may take to be as it was.
    recovery: Duration,
    stage: &'a Stage<'a>,
    emit: Emit<'a>,
    jars: Jars,
    broken: Vec<Fault>,
    /// The lab before the first fault.
    before: Option<Status>,
    failed: bool,
}

impl Run<'_> {
    /// Does the steps of a section until one fails; whether all were done.
    fn section(&mut self, section: Section, steps: &[Step], only: Option<usize>) -> bool {
        let spans: Vec<Span> = steps
            .iter()
            .flat_map(|step| &step.meanwhile)
            .map(|_| Span::default())
            .collect();
        let stage = self.stage;
        std::thread::scope(|scope| {
            let mut going = Vec::new();
            let mut free = spans.iter();
            let mut whole = true;
            for (at, step) in steps.iter().enumerate() {
                if only.is_some_and(|only| only != at + 1) {
                    continue;
                }
                if stage.interrupt.is_set() {
                    whole = false;
                    break;
                }
                for (inner, span) in step.meanwhile.iter().zip(&mut free) {
                    let number = at + 1;
                    let handle = scope.spawn(move || go_on(inner, number, span, stage));
                    // What is broken already when the fault comes is no matter of the fault.
                    while !span.has_begun() && !handle.is_finished() {
                        std::thread::sleep(TICK);
                    }
                    going.push((span, handle));
                }
                if matches!(step.action, Action::Heal(_)) {
                    whole &= self.end_meanwhile(&mut going);
                }
                if !self.step(section, at + 1, step) {
                    whole = false;
                    break;
                }
            }
            whole & self.end_meanwhile(&mut going)
        })
    }

    /// Ends what goes on, and says how it went.
    fn end_meanwhile(
        &mut self,
        going: &mut Vec<(&Span, std::thread::ScopedJoinHandle<'_, StepReport>)>,
    ) -> bool {
        going.iter().for_each(|(span, _)| span.end());
        let mut good = true;
        for (_, handle) in going.drain(..) {
            if let Ok(report) = handle.join() {
                good &= self.report(report);
            }
        }
        good
    }

    /// Does a step, again while it waits; whether it is as expected.
    fn step(&mut self, section: Section, number: usize, step: &Step) -> bool {
        let began = Instant::now();
        let mut tries = 0;
        let tried = loop {
            tries += 1;
            let tried = self.once(step);
            let Some(wait) = step.wait.filter(|_| tried.failure.is_some()) else {
                break tried;
            };
            if began.elapsed() >= wait || !self.stage.interrupt.pause(PAUSE) {
                break waited(tried, wait, tries);
            }
        };
        let good = tried.failure.is_none();
        self.report(StepReport {
            section,
            number,
            said: step.said.clone(),
            place: step.place.to_string(),
            micros: micros(began),
            tries,
            failure: tried.failure.map(Box::new),
            journey: tried.journey.map(Box::new),
        });
        good
    }

    fn once(&mut self, step: &Step) -> Attempt {
        let done = match &step.action {
            Action::Fault(fault) => self.fault(fault),
            Action::Heal(Some(fault)) => self.heal(fault),
            Action::Heal(None) => {
                let all = self.broken.clone();
                all.iter().try_for_each(|fault| self.heal(fault))
            }
            _ => return attempt(step, step.limit, &mut self.jars, self.stage),
        };
        Attempt {
            failure: done.err().map(|refusal| refused(refusal, step)),
            journey: None,
        }
    }

    fn fault(&mut self, fault: &Fault) -> Result<(), Refusal> {
        if self.before.is_none() {
            self.before = Some(self.stage.world.status()?);
        }
        self.stage.world.fault(fault)?;
        self.broken.push(fault.clone());
        Ok(())
    }

    fn heal(&mut self, fault: &Fault) -> Result<(), Refusal> {
        self.stage.world.heal(fault)?;
        self.broken.retain(|broken| broken != fault);
        Ok(())
    }

    /// Heals what is still broken, and waits until the lab is as it was.
    fn mend(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        let began = Instant::now();
        let mut failure = None;
        for fault in self.broken.clone() {
            if let Err(refusal) = self.heal(&fault) {
                failure = Some(Failure {
                    expected: "what the scenario broke is healed".into(),
                    seen: refusal.message,
                    help: Some("`lab heal` mends everything".into()),
                    place: self.scenario.place.to_string(),
                    ..Failure::default()
                });
            }
        }
        let failure = failure.or_else(|| self.recover(&before));
        if failure.is_some() {
            self.report(StepReport {
                section: Section::Teardown,
                number: self.scenario.teardown.len() + 1,
                said: "heal what was broken".into(),
                place: self.scenario.place.to_string(),
                micros: micros(began),
                tries: 1,
                failure: failure.map(Box::new),
                journey: None,
            });
        }
    }

    fn recover(&self, before: &Status) -> Option<Failure> {
        let end = Instant::now() + self.recovery;
        loop {
            let trouble = match self.stage.world.status() {
                Ok(status) => unlike(&status, before)?,
                Err(refusal) => refusal.message,
            };
            if Instant::now() > end {
                return Some(Failure {
                    expected: format!("the lab is as it was within {}", super::time(self.recovery)),
                    seen: trouble,
                    place: self.scenario.place.to_string(),
                    ..Failure::default()
                });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Says how a step went; whether well.
    fn report(&mut self, step: StepReport) -> bool {
        let good = step.failure.is_none();
        self.failed |= step
            .failure
            .as_ref()
            .is_some_and(|failure| !failure.interrupted);
        (self.emit)(Event::StepEnded {
            id: self.scenario.id.clone(),
            step,
        });
        good
    }
}

fn waited(mut tried: Attempt, wait: Duration, tries: u32) -> Attempt {
    if let Some(failure) = &mut tried.failure {
        failure.expected = format!("{} within {}", failure.expected, super::time(wait));
        failure.seen = format!("{} (the last of {tries} tries)", failure.seen);
    }
    tried
}

/// What of a lab is not as it was; nothing if all is.
fn unlike(status: &Status, before: &Status) -> Option<String> {
    for (name, node) in &before.nodes {
        let now = status.nodes.get(name);
        for (process, was) in &node.processes {
            let is = now.and_then(|node| node.processes.get(process));
            let healthy = is.is_some_and(|is| is.state == ProcessState::Healthy);
            if was.state == ProcessState::Healthy && !healthy {
                return Some(format!("{process} on {name} is not healthy"));
            }
        }
    }
    for (pool, members) in &before.pools {
        for (member, was) in members {
            let is = status
                .pools
                .get(pool)
                .and_then(|members| members.get(member));
            if is != Some(was) {
                let is = is.map_or("not there", String::as_str);
                return Some(format!("{member} of {pool} is {is}, and was {was}"));
            }
        }
    }
    None
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
