//! All that can be wrong with a lab file, and the [`Lab`] that is left when nothing is.

mod lab;

pub use crate::model::{Diagnostic, Severity};
pub use lab::*;
