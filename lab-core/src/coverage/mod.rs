//! What of a lab scenarios exercised, and what never.
//!
//! - `subject`: what can be exercised; `whole`: all of it that a lab has;
//! - `exercise`: what a run was seen to use: ways, and the counters of rules beside them.
//!
//! Pure: the whole comes from the lab and its plan, the exercise from what was seen, never the other
//! way round. What the engine asks after health is nobody's request, and exercises nothing.

mod exercise;
mod subject;
mod whole;

pub use subject::{Kind, Subject};
pub(crate) use whole::written;
pub use whole::{Coverage, Exercised};

#[cfg(test)]
mod tests;
