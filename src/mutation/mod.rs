//! `lab test --mutate`: does any scenario notice when one thing of the lab is different?
//!
//! - `wanted`: which mutations are meant; `state`: what was found before, kept in a file;
//! - `trial`: the scenarios in labs that are changed; `words`: what came of it, for people.

mod state;
mod trial;
mod wanted;
mod words;

pub use state::State;
pub use trial::{Trial, changed};
pub use wanted::Wanted;
pub use words::told;
