//! What a run came to, put together from its events.

use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;

use super::event::{Event, Outcome, Section, StepReport, Title};

/// Version of the form in which results are written.
pub const VERSION: u32 = 1;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// Milliseconds since the epoch when it began.
    pub began: u64,
    /// Microseconds it took.
    pub micros: u64,
    /// How many scenarios there are; more than in the list where it was interrupted.
    pub wanted: usize,
    /// The user ended it.
    pub interrupted: bool,
    /// Scenarios in the order in which they began.
    pub scenarios: Vec<ScenarioResult>,
    /// What they exercised of each lab, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
}

/// What a scenario came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// What it is called.
    #[serde(flatten)]
    pub title: Title,
    /// How it ended; none: it did not.
    pub outcome: Option<Outcome>,
    /// Microseconds it took.
    pub micros: u64,
    /// Its steps.
    pub steps: Vec<StepReport>,
}

impl Results {
    /// Takes what happened. Of several runs the results add up.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Began { scenarios, at } => {
                self.wanted += scenarios;
                if self.began == 0 {
                    self.began = *at;
                }
            }
            Event::ScenarioBegan { scenario } => self.scenarios.push(ScenarioResult {
                title: scenario.clone(),
                outcome: None,
                micros: 0,
                steps: Vec::new(),
            }),
            Event::StepEnded { id, step } => {
                if let Some(scenario) = self.open(id) {
                    scenario.steps.push(step.clone());
                }
            }
            Event::ScenarioEnded {
                id,
                outcome,
                micros,
            } => {
                if let Some(scenario) = self.open(id) {
                    scenario.outcome = Some(*outcome);
                    scenario.micros = *micros;
                }
            }
            Event::Ended {
                micros,
                interrupted,
            } => {
                self.micros += micros;
                self.interrupted |= interrupted;
            }
        }
    }

    /// The last one of that id: two labs may have scenarios of one name.
    fn open(&mut self, id: &str) -> Option<&mut ScenarioResult> {
        self.scenarios
            .iter_mut()
            .rev()
            .find(|scenario| scenario.title.id == id)
    }

    /// How many ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.scenarios
            .iter()
            .filter(|scenario| scenario.outcome == Some(outcome))
            .count()
    }

    /// A scenario by its id.
    pub fn scenario(&self, id: &str) -> Option<&ScenarioResult> {
        self.scenarios
            .iter()
            .rev()
            .find(|scenario| scenario.title.id == id)
    }
}

impl ScenarioResult {
    /// The steps that failed.
    pub fn failures(&self) -> impl Iterator<Item = &StepReport> {
        self.steps.iter().filter(|step| step.failure.is_some())
    }

    /// The name with its case.
    pub fn name(&self) -> String {
        self.title.name()
    }
}

impl Title {
    /// The name with its case.
    pub fn name(&self) -> String {
        match &self.case {
            Some(case) => format!("{} ({case})", self.title),
            None => self.title.clone(),
        }
    }
}

impl Section {
    /// For people: `step 2`, `teardown 1`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Setup => "set-up",
            Self::Steps => "step",
            Self::Meanwhile => "meanwhile",
            Self::Teardown => "teardown",
        }
    }
}
