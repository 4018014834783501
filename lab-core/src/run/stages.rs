//! How long the stages of a change take. Always measured: a lap costs two looks at the clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::control::{Progress, Timing};

/// What a lab's coming up is made of, in the order in which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Keys made, certificates signed.
    Certificates,
    /// Nodes forked, with their namespaces.
    Namespaces,
    /// The nodes' root folders, kernel settings and files.
    Roots,
    /// Wires, addresses and routes, until the bridge forwards.
    Links,
    /// Packet rules.
    Rules,
    /// Processes started, until they say they are ready.
    Processes,
    /// From ready until seen healthy.
    Health,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Certificates => "certificates",
            Self::Namespaces => "namespaces",
            Self::Roots => "roots",
            Self::Links => "links",
            Self::Rules => "rules",
            Self::Processes => "processes",
            Self::Health => "health",
        }
    }
}

struct Span {
    first: Instant,
    last: Instant,
    sum: Duration,
    laps: u64,
}

/// The stages since the last report.
#[derive(Default)]
pub(super) struct Stages {
    spans: RefCell<BTreeMap<Stage, Span>>,
}

/// One node's part of a stage; it ends when this is dropped.
pub(super) struct Lap<'a> {
    stages: &'a Stages,
    stage: Stage,
    started: Instant,
}

impl Stages {
    /// Begins a part of a stage.
    pub fn lap(&self, stage: Stage) -> Lap<'_> {
        Lap {
            stages: self,
            stage,
            started: Instant::now(),
        }
    }

    /// A part of a stage that began at `started` and ends now.
    pub fn ended(&self, stage: Stage, started: Instant) {
        let now = Instant::now();
        let mut spans = self.spans.borrow_mut();
        let span = spans.entry(stage).or_insert(Span {
            first: started,
            last: now,
            sum: Duration::ZERO,
            laps: 0,
        });
        span.first = span.first.min(started);
        span.last = now;
        span.sum += now - started;
        span.laps += 1;
    }

    /// What was measured; the next report begins at zero.
    pub fn report(&self) -> Vec<Progress> {
        let spans = self.spans.take().into_iter();
        let steps = spans.map(|(stage, span)| {
            Progress::Stage(Timing {
                stage: stage.name().into(),
                micros: micros(span.last - span.first),
                summed_micros: micros(span.sum),
                parts: span.laps,
            })
        });
        steps.collect()
    }
}

impl Drop for Lap<'_> {
    fn drop(&mut self) {
        self.stages.ended(self.stage, self.started);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Timing {
    /// A stage of one part.
    pub fn of(stage: &str, took: Duration) -> Self {
        Self {
            stage: stage.into(),
            micros: micros(took),
            summed_micros: micros(took),
            parts: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_that_overlap_add_up_to_more_than_passed() {
        let stages = Stages::default();
        let begun = Instant::now() - Duration::from_millis(10);
        stages.ended(Stage::Links, begun);
        stages.ended(Stage::Links, begun);
        let steps = stages.report();
        let [Progress::Stage(timing)] = steps.as_slice() else {
            panic!("{steps:?}");
        };
        assert_eq!((timing.stage.as_str(), timing.parts), ("links", 2));
        assert!(timing.micros >= 10_000);
        assert!(timing.summed_micros >= 20_000);
        assert!(stages.report().is_empty(), "the next report begins anew");
    }
}
