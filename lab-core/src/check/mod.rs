//! All that can be wrong with a lab file, and the [`Lab`] that is left when nothing is.

mod diagnostic;
mod lab;

pub use diagnostic::{Diagnostic, Severity};
pub use lab::*;
