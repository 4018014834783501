//! What must go on working while something is broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attempt::{Stage, attempt};
use super::checked::Step;
use super::client::Jars;
use super::event::{Failure, Section, StepReport};
use super::time;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// When the looks begin and end.
#[derive(Debug, Default)]
pub struct Span {
    first: AtomicBool,
    over: AtomicBool,
}

impl Span {
    /// The first look was taken.
    pub fn has_begun(&self) -> bool {
        self.first.load(Ordering::SeqCst)
    }

    /// Asks for a last look.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// Does a step again and again until the span is over, and once more after that.
pub fn go_on(step: &Step, number: usize, span: &Span, stage: &Stage<'_>) -> StepReport {
    let began = Instant::now();
    let mut jars = Jars::new();
    let mut tries = 0;
    let mut worst = Worst::default();
    loop {
        let last = span.over.load(Ordering::SeqCst);
        let started = Instant::now();
        let tried = attempt(step, step.limit, &mut jars, stage);
        tries += 1;
        worst.take(started, tried.failure);
        span.first.store(true, Ordering::SeqCst);
        if last || stage.interrupt.is_set() {
            break;
        }
        stage.interrupt.pause(PAUSE);
    }
    let (longest, failure) = worst.end();
    let failure = failure.filter(|_| longest > step.outage).map(|failure| {
        let allowed = match step.outage.is_zero() {
            true => String::new(),
            false => format!(", but for {} at most", time(step.outage)),
        };
        Box::new(Failure {
            expected: format!("it goes on{allowed}: {}", failure.expected),
            seen: format!("for {} it did not: {}", time(longest), failure.seen),
            ..failure
        })
    });
    StepReport {
        section: Section::Meanwhile,
        number,
        said: step.said.clone(),
        place: step.place.to_string(),
        micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        tries,
        failure,
        journey: None,
    }
}

/// The longest time without success.
#[derive(Default)]
struct Worst {
    longest: Duration,
    failure: Option<Failure>,
    since: Option<(Instant, Failure)>,
}

impl Worst {
    fn take(&mut self, started: Instant, failure: Option<Failure>) {
        match (failure, &self.since) {
            (Some(failure), None) => self.since = Some((started, failure)),
            (Some(_), Some(_)) => {}
            (None, _) => self.close(),
        }
    }

    fn close(&mut self) {
        if let Some((since, failure)) = self.since.take() {
            let lasted = since.elapsed();
            if lasted >= self.longest {
                self.longest = lasted;
                self.failure = Some(failure);
            }
        }
    }

    fn end(mut self) -> (Duration, Option<Failure>) {
        self.close();
        (self.longest, self.failure)
    }
}
