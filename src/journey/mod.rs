//! Journeys for people: `tree` for a terminal, `sequence` as a Mermaid diagram.

mod nearest;
mod sequence;
mod tree;

pub use sequence::sequence;
pub use tree::tree;

use lab_core::observe::{End, Unreached};

/// Microseconds as people read them.
fn lasting(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", micros as f64 / 1e3),
        10_000..10_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// A neighbour that does not answer.
fn nobody(silent: &Unreached) -> String {
    let Unreached {
        segment, address, ..
    } = silent;
    format!("nobody on {segment} answers for {address}")
}

/// How a conversation ended.
fn ended(end: &End) -> String {
    match end {
        End::Answered => "answered".into(),
        End::Refused => "refused".into(),
        End::Dropped => "dropped".into(),
        End::Unreachable { by, why } => format!("unreachable: {why}, says {by}"),
        End::NoNeighbour(silent) => nobody(silent),
        End::Unanswered => "arrived; nothing came back".into(),
        End::Lost {
            segment: Some(segment),
        } => format!("nobody on {segment} took it"),
        End::Lost { segment: None } => "not sent on".into(),
    }
}
