//! What the runner says while it works. Terminal, JUnit, JSON and HTML are readers of it.

use serde::{Deserialize, Serialize};

use crate::observe::Journey;
use crate::run::control::LogLine;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Scenarios begin.
    Began {
        /// How many.
        scenarios: usize,
        /// Milliseconds since the epoch.
        at: u64,
    },
    /// One begins.
    ScenarioBegan {
        /// Which.
        scenario: Title,
    },
    /// A step ended.
    StepEnded {
        /// Of this scenario.
        id: String,
        /// Which, and how.
        step: StepReport,
    },
    /// A scenario ended.
    ScenarioEnded {
        /// Which.
        id: String,
        /// How.
        outcome: Outcome,
        /// Microseconds it took.
        micros: u64,
    },
    /// All ended.
    Ended {
        /// Microseconds it took.
        micros: u64,
        /// The user ended it.
        interrupted: bool,
    },
}

/// What a scenario is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// Its id.
    pub id: String,
    /// The lab it is for.
    pub lab: String,
    /// What it proves.
    pub title: String,
    /// Its case.
    pub case: Option<String>,
    /// Requirements.
    pub covers: Vec<String>,
    /// Words to choose it by.
    pub tags: Vec<String>,
    /// What there is to learn.
    pub about: Option<String>,
    /// Its file and line.
    pub place: String,
    /// The command that repeats it.
    pub repeat: String,
}

/// How a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All is as expected.
    Passed,
    /// Something is not.
    Failed,
    /// It was not done to its end, because the user ended it.
    Interrupted,
}

/// The part of a scenario that a step stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Before.
    Setup,
    /// The steps.
    Steps,
    /// What must go on.
    Meanwhile,
    /// After.
    Teardown,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Where it stands.
    pub section: Section,
    /// Which one there, from 1.
    pub number: usize,
    /// What it does.
    pub said: String,
    /// `file:line`.
    pub place: String,
    /// Microseconds it took.
    pub micros: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Why it failed.
    pub failure: Option<Box<Failure>>,
    /// The way it took, where the step asks for it or failed.
    pub journey: Option<Box<Journey>>,
}

/// Why a step failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What should have been.
    pub expected: String,
    /// What was.
    pub seen: String,
    /// `file:line` of the expectation.
    pub place: String,
    /// What a program wrote, or what was answered, as far as it is kept.
    pub printed: Option<String>,
    /// What it complained of.
    pub complained: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// The last log lines of the nodes on the way.
    pub logs: Vec<LogLine>,
    /// It was not the lab that ended it, but the user.
    pub interrupted: bool,
}
