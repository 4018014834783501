//! A step, done once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::observe::Journey;
use crate::run::control::{Refusal, Status};

use super::checked::{Action, Step};
use super::client::{Answers, Ask, Errand, Jars};
use super::event::Failure;
use super::expectation::Pools;
use super::seen::Seen;
use super::world::{Interrupt, Observer, Program, World};

/// How much longer a built-in client may take in all than its questions.
const CLIENT_OVERHEAD: Duration = Duration::from_secs(10);
/// Log lines of each node on the way that a report shows.
const LOG_LINES: usize = 5;
/// Most nodes whose logs a report shows.
const LOGGING_NODES: usize = 8;

/// Where scenarios are done.
pub struct Stage<'a> {
    /// The lab.
    pub world: &'a dyn World,
    /// Who watches it.
    pub observer: Option<&'a dyn Observer>,
    /// Nodes that a path may leave out.
    pub routers: BTreeSet<String>,
    /// Whether it shall end.
    pub interrupt: &'a Interrupt,
}

/// What an attempt came to.
pub struct Attempt {
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The way it took, where it was asked for.
    pub journey: Option<Journey>,
}

impl Attempt {
    fn failed(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            journey: None,
        }
    }
}

/// Does a step that changes nothing of the lab; `limit` is what is left to it.
pub fn attempt(step: &Step, limit: Duration, jars: &mut Jars, stage: &Stage<'_>) -> Attempt {
    let began = Instant::now();
    let mark = stage.observer.map(Observer::mark);
    let counts = step
        .expectations
        .iter()
        .any(|(one, _)| one.needs_counters());
    let before = match counts.then(|| stage.world.status()).transpose() {
        Ok(before) => before,
        Err(refusal) => return Attempt::failed(refused(refusal, step)),
    };
    let mut seen = Seen::default();
    if let Err(mut failure) = act(step, limit, jars, stage, &mut seen) {
        let journey = way(step, mark, stage);
        failure.logs = logs(step, journey.as_ref(), stage);
        return Attempt {
            failure: Some(*failure),
            journey,
        };
    }
    seen.took = began.elapsed();
    if let Some(before) = before {
        match stage.world.status() {
            Ok(after) => seen.counters = growth(&before, &after),
            Err(refusal) => return Attempt::failed(refused(refusal, step)),
        }
    }
    if step.is_watched() {
        seen.journey = way(step, mark, stage);
    }
    let unmet = step.expectations.iter().find_map(|(expectation, place)| {
        let unmet = expectation.holds(&seen, &stage.routers).err()?;
        Some((unmet, if place.line == 0 { &step.place } else { place }))
    });
    let Some((unmet, place)) = unmet else {
        return Attempt {
            failure: None,
            journey: seen.journey,
        };
    };
    // A program that asked nobody has no way to show.
    let went = |way: &Journey| !way.flows.is_empty() || !way.unreached.is_empty();
    let unasked = || way(step, mark, stage).filter(went);
    let journey = seen.journey.take().or_else(unasked);
    let failure = Failure {
        expected: unmet.expected,
        seen: unmet.seen,
        place: place.to_string(),
        logs: logs(step, journey.as_ref(), stage),
        ..printed(&seen)
    };
    Attempt {
        failure: Some(failure),
        journey,
    }
}

fn act(
    step: &Step,
    limit: Duration,
    jars: &mut Jars,
    stage: &Stage<'_>,
    seen: &mut Seen,
) -> Result<(), Box<Failure>> {
    match &step.action {
        Action::Run(argv) => {
            let program = Program {
                node: step.from.clone().unwrap_or_default(),
                argv: argv.clone(),
                own: false,
            };
            run(&program, limit, step, stage, seen)
        }
        Action::Ask(ask) => {
            ask_client(ask, limit, step, jars, stage, seen)?;
            // What the client itself did is no program of the scenario.
            seen.ran = None;
            Ok(())
        }
        Action::Pool(pool) => {
            let status = stage
                .world
                .status()
                .map_err(|refusal| Box::new(refused(refusal, step)))?;
            seen.pools = pools_of(&status, pool);
            Ok(())
        }
        // The runner does these: they outlast the step.
        Action::Fault(_) | Action::Heal(_) => Ok(()),
    }
}

fn run(
    program: &Program,
    limit: Duration,
    step: &Step,
    stage: &Stage<'_>,
    seen: &mut Seen,
) -> Result<(), Box<Failure>> {
    let ran = stage
        .world
        .run(program, limit, stage.interrupt)
        .map_err(|refusal| Box::new(refused(refusal, step)))?;
    let timed_out = ran.timed_out;
    seen.ran = Some(ran);
    if stage.interrupt.is_set() {
        return Err(Box::new(Failure {
            expected: "it runs to its end".into(),
            seen: "it was interrupted".into(),
            interrupted: true,
            place: step.place.to_string(),
            ..printed(seen)
        }));
    }
    if timed_out {
        return Err(Box::new(Failure {
            expected: format!("it ends within {}", super::time(limit)),
            seen: "it still ran then, and was killed with all that it had started".into(),
            place: step.place.to_string(),
            help: Some("`timeout:` gives a step more time".into()),
            ..printed(seen)
        }));
    }
    Ok(())
}

fn ask_client(
    ask: &Ask,
    limit: Duration,
    step: &Step,
    jars: &mut Jars,
    stage: &Stage<'_>,
    seen: &mut Seen,
) -> Result<(), Box<Failure>> {
    let node = step.from.clone().unwrap_or_default();
    let mut ask = ask.clone();
    if let Ask::Http(http) = &mut ask {
        http.cookies = jars.get(&node).cloned().unwrap_or_default();
    }
    let errand = Errand {
        ask,
        times: step.times,
        limit: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    };
    let broken = |reason: String, seen: &Seen| {
        Box::new(Failure {
            expected: "the built-in client answers".into(),
            seen: reason,
            place: step.place.to_string(),
            ..printed(seen)
        })
    };
    let program =
        Program::client(&node, &errand).map_err(|error| broken(error.to_string(), seen))?;
    let all = limit
        .saturating_mul(step.times)
        .saturating_add(CLIENT_OVERHEAD);
    run(&program, all, step, stage, seen)?;
    let ran = seen.ran.clone().unwrap_or_default();
    let answers: Answers = serde_json::from_str(&ran.stdout.text).map_err(|error| {
        let status = ran.status;
        broken(
            format!("it ended with {status} and no answer: {error}"),
            seen,
        )
    })?;
    if let Some(last) = answers.last()
        && errand.is_http()
    {
        jars.insert(node, last.cookies.clone());
    }
    seen.answers = answers;
    Ok(())
}

impl Errand {
    fn is_http(&self) -> bool {
        matches!(self.ask, Ask::Http(_))
    }
}

/// A step that the lab refused.
pub fn refused(refusal: Refusal, step: &Step) -> Failure {
    Failure {
        expected: "the step can be done".into(),
        seen: refusal.message,
        help: refusal.help,
        place: step.place.to_string(),
        ..Failure::default()
    }
}

fn printed(seen: &Seen) -> Failure {
    let some = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
    match (&seen.ran, seen.answers.first()) {
        (Some(ran), _) => Failure {
            printed: some(&ran.stdout.text),
            complained: some(&ran.stderr.text),
            ..Failure::default()
        },
        (None, Some(answer)) => Failure {
            printed: some(&answer.text),
            ..Failure::default()
        },
        (None, None) => Failure::default(),
    }
}

fn way(step: &Step, mark: Option<u64>, stage: &Stage<'_>) -> Option<Journey> {
    let from = step.from.as_ref()?;
    let asked = step.said.strip_prefix(&format!("{from}: "));
    let asked = asked.unwrap_or(&step.said);
    Some(stage.observer?.journey(from, mark?, asked))
}

/// The last words of the nodes on the way; of the node that began, too.
fn logs(
    step: &Step,
    journey: Option<&Journey>,
    stage: &Stage<'_>,
) -> Vec<crate::run::control::LogLine> {
    let mut nodes: Vec<String> = step.from.iter().cloned().collect();
    for node in journey.map(Journey::path).unwrap_or_default() {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    nodes.truncate(LOGGING_NODES);
    nodes
        .iter()
        .flat_map(|node| {
            let lines = stage.world.logs(node);
            let from = lines.len().saturating_sub(LOG_LINES);
            lines[from..].to_vec()
        })
        .collect()
}

/// The pools of a balancer, or the one of that name.
fn pools_of(status: &Status, pool: &str) -> Pools {
    let below = format!("{pool}/");
    status
        .pools
        .iter()
        .filter(|(name, _)| *name == pool || name.starts_with(&below))
        .map(|(name, members)| (name.clone(), members.clone()))
        .collect()
}

fn growth(before: &Status, after: &Status) -> BTreeMap<(String, String), u64> {
    let mut grown = BTreeMap::new();
    for (node, rules) in &after.rules {
        for (rule, count) in rules {
            let was = before.rules.get(node).and_then(|rules| rules.get(rule));
            let was = was.map_or(0, |count| count.packets);
            let by = count.packets.saturating_sub(was);
            grown.insert((node.clone(), rule.clone()), by);
        }
    }
    grown
}
