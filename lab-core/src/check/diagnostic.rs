//! A thing found wrong with a lab file.

use crate::model::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The lab can't be built.
    Error,
    /// It can, but it is hardly meant.
    Warning,
}

/// One mistake, said for the person who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code (`lab::unknown-key`).
    pub code: &'static str,
    /// One sentence: what is wrong.
    pub message: String,
    /// The places it concerns, the main one first, each with a short label.
    pub labels: Vec<(Place, String)>,
    /// What to do about it.
    pub help: Option<String>,
}
