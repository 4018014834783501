//! Scenarios: what is done from the nodes of a lab, and what must come of it.
//!
//! - what a file says: `file`, `wishes`, `path` (patterns of ways), `variables`;
//! - from files to [`Scenario`]s: `find`, `load`, `check`;
//! - what a step did and whether that is as expected: `client` (what the built-in clients are
//!   asked and answer), `seen`, `expectation`, `way`;
//! - doing it: `world` (what the runner needs of a lab), `runner`; it only emits [`Event`]s;
//! - readers of events: `results`, and `report` for JUnit, HTML and GitHub.

mod attempt;
mod check;
mod checked;
pub mod client;
mod event;
mod expectation;
mod file;
mod find;
mod load;
mod meanwhile;
mod path;
pub mod report;
mod results;
mod runner;
mod running;
mod schedule;
mod seen;
mod variables;
mod way;
mod wishes;
mod world;

pub use attempt::Stage;
pub use check::Known;
pub use checked::{Action, Scenario, Step};
pub use event::{Event, Failure, Outcome, Section, StepReport, Title};
pub use expectation::{Expectation, Unmet, time};
pub use file::schema;
pub use find::{Text, find};
pub use load::{Loaded, load};
pub use path::{Glob, PathPattern};
pub use results::{Results, ScenarioResult, VERSION};
pub use runner::{Choice, Emit, perform};
pub use schedule::{Labs, Task, run_all};
pub use seen::{Kept, Ran, Seen};
pub use wishes::Fails;
pub use world::{Interrupt, Observer, Program, TICK, World};

#[cfg(test)]
mod tests;
