//! What the runner needs of a lab, so that it can be tried without one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::observe::Journey;
use crate::plan::Fault;
use crate::run::control::{LogLine, Refusal, Status};

use super::client::Errand;
use super::seen::Ran;

/// A lab that scenarios are done in.
pub trait World: Sync {
    /// Runs a program in a node, for so long at most, and keeps the beginning of what it writes.
    ///
    /// # Errors
    /// The node or the program is not there, or the node ended.
    fn run(&self, program: &Program, limit: Duration, stop: &Interrupt) -> Result<Ran, Refusal>;

    /// Breaks something.
    ///
    /// # Errors
    /// What the lab refuses.
    fn fault(&self, fault: &Fault) -> Result<(), Refusal>;

    /// Mends it.
    ///
    /// # Errors
    /// What the lab refuses.
    fn heal(&self, fault: &Fault) -> Result<(), Refusal>;

    /// How everything is.
    ///
    /// # Errors
    /// The lab is not there.
    fn status(&self) -> Result<Status, Refusal>;

    /// The last lines that a node logged.
    fn logs(&self, node: &str) -> Vec<LogLine>;
}

/// Who sees the way that requests take.
pub trait Observer: Sync {
    /// Now, in microseconds since the epoch.
    fn mark(&self) -> u64;

    /// What a node began since then; waits until that is quiet.
    fn journey(&self, from: &str, since: u64, asked: &str) -> Journey;
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// In this node.
    pub node: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// It is this program itself, with these arguments.
    pub own: bool,
}

impl Program {
    /// The built-in client with an errand; it prints [`Answers`](super::client::Answers) as JSON.
    ///
    /// # Errors
    /// The errand can't be put into words.
    pub fn client(node: &str, errand: &Errand) -> serde_json::Result<Self> {
        Ok(Self {
            node: node.to_owned(),
            argv: vec![
                "lab".into(),
                "client".into(),
                serde_json::to_string(errand)?,
            ],
            own: true,
        })
    }
}

/// Whether the user wants it to end.
#[derive(Debug, Default)]
pub struct Interrupt(AtomicBool);

impl Interrupt {
    /// Asks for the end.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits between two looks at something; false when the end was asked for.
    pub fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while !self.is_set() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(TICK));
        }
        false
    }
}

/// How soon an interruption is noticed.
pub const TICK: Duration = Duration::from_millis(20);
