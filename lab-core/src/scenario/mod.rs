//! Scenarios: what is done from the nodes of a lab, and what must come of it.
//!
//! - what a file says: `file`, `wishes`, `path` (patterns of ways), `variables`;
//! - from files to [`Scenario`]s: `find`, `load`, `check`;
//! - what a step did and whether that is as expected: `client` (what the built-in clients are
//!   asked and answer), `seen`, `expectation`, `way`;
//! - doing it: `world` (what the runner needs of a lab), `runner`; it only emits [`Event`]s;
//! - readers of events: `results`, and `report` for JUnit, HTML and GitHub.

mod check;
mod checked;
pub mod client;
mod expectation;
mod file;
mod find;
mod load;
mod path;
mod seen;
mod variables;
mod way;
mod wishes;

pub use check::Known;
pub use checked::{Action, Scenario, Step};
pub use expectation::{Expectation, Unmet, time};
pub use file::schema;
pub use find::{Text, find};
pub use load::{Loaded, load};
pub use path::{Glob, PathPattern};
pub use seen::{Kept, Ran, Seen};
pub use wishes::Fails;
