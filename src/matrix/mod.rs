//! A matrix of what clients reach: as a table for the terminal, as a page, and compared with what is
//! seen in a running lab.

mod lines;
mod live;
mod page;
mod table;

pub use live::{Disagreement, compare};
pub use page::page;
pub use table::{disagreements, table};
