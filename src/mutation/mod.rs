//! `lab test --mutate`: does any scenario notice when one thing of the lab is different?
//!
//! - `wanted`: which mutations are meant; `state`: what was found before, kept in a file;
//! - `trial`: the scenarios in labs that are changed; `all`: those of several labs;
//! - `words`: what came of it, for people.

mod all;
mod state;
mod trial;
mod wanted;
mod words;

pub use all::try_all;
pub use trial::changed;
pub use wanted::Wanted;
