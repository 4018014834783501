//! What the command prints: results to stdout, everything else to stderr.

mod failure;
mod paint;
mod progress;
mod screen;
mod table;

pub use failure::Failure;
pub use paint::{Colour, Paint, When};
pub use progress::{Reporter, counted, millis};
pub use screen::{JSON_VERSION, Screen};
pub use table::Table;
