//! Where something stands in the lab's files.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A stretch of a lab file: what every part of a lab remembers, so that errors,
/// rules and traces can name the line behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user named it (`lab.yaml`, `acl.yaml`).
    pub file: Arc<str>,
    /// Line, from 1; 0 where something was not written by anybody.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// Byte offset in the file.
    pub offset: usize,
    /// Length in bytes.
    pub len: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
