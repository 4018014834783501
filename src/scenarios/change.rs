//! Waits until a file changes.

use std::time::{Duration, SystemTime};

use lab_core::scenario::Interrupt;

/// Between two looks: soon for a person, and nothing for the machine.
const PAUSE: Duration = Duration::from_millis(200);

/// Returns when one of the files is another than it was, or came or went; false when interrupted.
pub fn wait(files: &[String], before: &[Option<SystemTime>], interrupt: &Interrupt) -> bool {
    while times(files) == before {
        if !interrupt.pause(PAUSE) {
            return false;
        }
    }
    true
}

/// When each file was last written; none: it is not there.
pub fn times(files: &[String]) -> Vec<Option<SystemTime>> {
    files
        .iter()
        .map(|file| {
            std::fs::metadata(file)
                .and_then(|data| data.modified())
                .ok()
        })
        .collect()
}
