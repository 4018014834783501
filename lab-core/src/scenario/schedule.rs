//! Which scenarios run at the same time: those that do not disturb each other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::run::control::Refusal;

use super::attempt::Stage;
use super::checked::Scenario;
use super::event::{Event, Failure, Outcome, Section, StepReport, Title};
use super::runner::{Choice, Emit, perform};
use super::world::Interrupt;

/// Who hands out labs.
pub trait Labs: Sync {
    /// Calls with a lab for a scenario; a lab of its own goes afterwards.
    ///
    /// # Errors
    /// There is none.
    fn enter(&self, scenario: &Scenario, go: &mut dyn FnMut(&Stage<'_>)) -> Result<(), Refusal>;

    /// Whether each scenario has a lab of its own, so that none disturbs another.
    fn are_isolated(&self) -> bool;
}

/// A scenario to be done, with what it is called.
pub type Task = (Scenario, Title);

/// Does all of them, some at the same time; how each ended is said by events.
pub fn run_all(
    tasks: Vec<Task>,
    labs: &dyn Labs,
    jobs: usize,
    choice: Choice,
    interrupt: &Interrupt,
    emit: Emit<'_>,
) {
    let began = std::time::Instant::now();
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        });
    emit(Event::Began {
        scenarios: tasks.len(),
        at,
    });
    let jobs = jobs.clamp(1, tasks.len().max(1));
    let queue = Queue::new(tasks, labs.are_isolated());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((claim, (scenario, title))) = queue.next(interrupt) {
                    one(&scenario, title, labs, choice, emit);
                    queue.done(&claim);
                }
            });
        }
    });
    emit(Event::Ended {
        micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        interrupted: interrupt.is_set(),
    });
}

fn one(scenario: &Scenario, title: Title, labs: &dyn Labs, choice: Choice, emit: Emit<'_>) {
    let mut title = Some(title);
    let entered = labs.enter(scenario, &mut |stage| {
        if let Some(title) = title.take() {
            perform(scenario, title, choice, stage, emit);
        }
    });
    if let (Err(refusal), Some(title)) = (entered, title) {
        no_lab(scenario, title, refusal, emit);
    }
}

/// Says that a scenario failed because there was no lab for it.
fn no_lab(scenario: &Scenario, title: Title, refusal: Refusal, emit: Emit<'_>) {
    emit(Event::ScenarioBegan { scenario: title });
    emit(Event::StepEnded {
        id: scenario.id.clone(),
        step: StepReport {
            section: Section::Setup,
            number: 0,
            said: "a lab comes up".into(),
            place: scenario.place.to_string(),
            micros: 0,
            tries: 1,
            failure: Some(Box::new(Failure {
                expected: "a lab for the scenario".into(),
                seen: refusal.message,
                help: refusal.help,
                place: scenario.place.to_string(),
                ..Failure::default()
            })),
            journey: None,
        },
    });
    emit(Event::ScenarioEnded {
        id: scenario.id.clone(),
        outcome: Outcome::Failed,
        micros: 0,
    });
}

/// What a scenario keeps from others while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Claim {
    /// The whole lab.
    all: bool,
    /// Nodes it starts from; true: for itself alone, since what it begins there is watched.
    nodes: BTreeMap<String, bool>,
}

impl Claim {
    fn of(scenario: &Scenario) -> Self {
        let mut nodes: BTreeMap<String, bool> = BTreeMap::new();
        for step in scenario.all_steps() {
            if let Some(from) = &step.from {
                *nodes.entry(from.clone()).or_default() |= step.is_watched();
            }
        }
        Self {
            all: scenario.alone,
            nodes,
        }
    }

    fn disturbs(&self, other: &Self) -> bool {
        self.all
            || other.all
            || self.nodes.iter().any(|(node, alone)| {
                other
                    .nodes
                    .get(node)
                    .is_some_and(|theirs| *alone || *theirs)
            })
    }
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: VecDeque<(Claim, Task)>,
    running: Vec<Claim>,
}

impl Queue {
    /// Those that need the whole lab come last: the others would wait for them one by one.
    fn new(tasks: Vec<Task>, isolated: bool) -> Self {
        let mut waiting: Vec<(Claim, Task)> = tasks
            .into_iter()
            .map(|task| match isolated {
                true => (Claim::default(), task),
                false => (Claim::of(&task.0), task),
            })
            .collect();
        waiting.sort_by_key(|(claim, _)| claim.all);
        Self {
            state: Mutex::new(State {
                waiting: waiting.into(),
                running: Vec::new(),
            }),
            changed: Condvar::new(),
        }
    }

    fn next(&self, interrupt: &Interrupt) -> Option<(Claim, Task)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.waiting.is_empty() || interrupt.is_set() {
                return None;
            }
            let running = &state.running;
            let free = state
                .waiting
                .iter()
                .position(|(claim, _)| !running.iter().any(|other| claim.disturbs(other)));
            if let Some((claim, task)) = free.and_then(|at| state.waiting.remove(at)) {
                state.running.push(claim.clone());
                return Some((claim, task));
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, claim: &Claim) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.running.iter().position(|one| one == claim) {
            state.running.swap_remove(at);
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Claim;

    fn claim(all: bool, nodes: &[(&str, bool)]) -> Claim {
        Claim {
            all,
            nodes: nodes
                .iter()
                .map(|(node, alone)| ((*node).to_owned(), *alone))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn who_watches_a_node_has_it_alone() {
        let looks = claim(false, &[("pc1", false)]);
        let watches = claim(false, &[("pc1", true)]);
        let elsewhere = claim(false, &[("roaming", true)]);
        let breaks = claim(true, &[]);
        assert!(!looks.disturbs(&looks));
        assert!(looks.disturbs(&watches) && watches.disturbs(&looks));
        assert!(watches.disturbs(&watches));
        assert!(!watches.disturbs(&elsewhere));
        assert!(breaks.disturbs(&looks) && looks.disturbs(&breaks));
    }
}
