//! What came of a step.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::observe::Journey;

use super::client::Answer;
use super::expectation::Pools;

/// What came of a step.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How long it took.
    pub took: Duration,
    /// Of a program.
    pub ran: Option<Ran>,
    /// Of a built-in client, once for each time.
    pub answers: Vec<Answer>,
    /// States of pools.
    pub pools: Pools,
    /// Growth of counters, by node and rule.
    pub counters: BTreeMap<(String, String), u64>,
    /// The way, where somebody wants to know.
    pub journey: Option<Journey>,
}

/// What a program did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Exit status, or 128 + the signal's number.
    pub status: i32,
    /// What it wrote.
    pub stdout: Kept,
    /// What it complained of.
    pub stderr: Kept,
    /// It was killed at its limit.
    pub timed_out: bool,
}

/// The beginning of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its text; invalid UTF-8 replaced.
    pub text: String,
    /// There was more.
    pub cut: bool,
}
