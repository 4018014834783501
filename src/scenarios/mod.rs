//! What `lab test` and `lab check` know of scenarios.
//!
//! - `sources`: which files are meant, and which lab each is for;
//! - `batch`: the scenarios of one lab, checked and chosen;
//! - `labs`: labs that are up, or come up for the run;
//! - `coverage`: what was exercised, for people;
//! - `terminal`: progress and failures for people;
//! - `change`: waits until a file changes.

pub mod batch;
pub mod change;
pub mod coverage;
pub mod labs;
pub mod sources;
pub mod terminal;
