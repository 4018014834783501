//! A scenario in order: its nodes, rules and users are the lab's, its patterns compile.

use std::time::Duration;

use crate::model::Place;
use crate::plan::Fault;

use super::client::Ask;
use super::expectation::Expectation;

/// A scenario, once for each of its cases.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its file without the ending, below the folder of scenarios, and the case: `flows/names[n3]`.
    pub id: String,
    /// Where it stands.
    pub place: Place,
    /// What it proves.
    pub title: String,
    /// The case's name.
    pub case: Option<String>,
    /// Requirements.
    pub covers: Vec<String>,
    /// What there is to learn.
    pub about: Option<String>,
    /// Words to choose it by.
    pub tags: Vec<String>,
    /// It shares its lab with no other at the same time.
    pub alone: bool,
    /// Before.
    pub setup: Vec<Step>,
    /// The steps.
    pub steps: Vec<Step>,
    /// After.
    pub teardown: Vec<Step>,
}

impl Scenario {
    /// The same with every time limit so many times as long, for a slow machine.
    #[must_use]
    pub fn with_patience(&self, times: u32) -> Self {
        let slow = |steps: &[Step]| steps.iter().map(|step| step.with_patience(times)).collect();
        Self {
            setup: slow(&self.setup),
            steps: slow(&self.steps),
            teardown: slow(&self.teardown),
            ..self.clone()
        }
    }

    /// All steps, those that go on meanwhile included.
    pub fn all_steps(&self) -> Vec<&Step> {
        let outer = self.setup.iter().chain(&self.steps).chain(&self.teardown);
        outer
            .flat_map(|step| std::iter::once(step).chain(&step.meanwhile))
            .collect()
    }
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// What it is, for people: its name, or what it does.
    pub said: String,
    /// The node it starts from; none for what is done to the lab.
    pub from: Option<String>,
    /// What is done.
    pub action: Action,
    /// What must come of it.
    pub expectations: Vec<(Expectation, Place)>,
    /// How often.
    pub times: u32,
    /// Again until it is as expected, for so long.
    pub wait: Option<Duration>,
    /// How long it may take.
    pub limit: Duration,
    /// What must go on, where this is a fault.
    pub meanwhile: Vec<Step>,
    /// The longest time without success, in `meanwhile`.
    pub outage: Duration,
}

impl Step {
    fn with_patience(&self, times: u32) -> Self {
        let expectations = self.expectations.iter().map(|(one, place)| {
            let one = match one {
                Expectation::Within(limit) => Expectation::Within(limit.saturating_mul(times)),
                other => other.clone(),
            };
            (one, place.clone())
        });
        Self {
            expectations: expectations.collect(),
            wait: self.wait.map(|wait| wait.saturating_mul(times)),
            limit: self.limit.saturating_mul(times),
            outage: self.outage.saturating_mul(times),
            meanwhile: self
                .meanwhile
                .iter()
                .map(|step| step.with_patience(times))
                .collect(),
            ..self.clone()
        }
    }

    /// Whether it asks for the way of what it did.
    pub fn is_watched(&self) -> bool {
        self.expectations.iter().any(|(one, _)| one.needs_journey())
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Runs a program.
    Run(Vec<String>),
    /// Sends a built-in client.
    Ask(Ask),
    /// Looks at a pool.
    Pool(String),
    /// Breaks something.
    Fault(Fault),
    /// Mends one fault, or all of this scenario.
    Heal(Option<Fault>),
}

/// What can be done, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program.
    Run,
    /// HTTP.
    Http,
    /// DNS.
    Dns,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SMTP.
    Smtp,
    /// A pool.
    Pool,
    /// A fault.
    Fault,
    /// Mending.
    Heal,
}

impl Kind {
    /// The key that makes a step one of these.
    pub fn key(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Smtp => "smtp",
            Self::Pool => "pool",
            Self::Fault => "fault",
            Self::Heal => "heal",
        }
    }

    /// It starts from a node.
    pub fn starts_from_a_node(self) -> bool {
        !matches!(self, Self::Pool | Self::Fault | Self::Heal)
    }
}
