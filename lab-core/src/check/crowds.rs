//! How many nodes a segment holds.

use std::collections::BTreeMap;

use super::attachments::Attached;
use crate::model::Diagnostic;
use crate::model::file::File;

/// A bridge of the kernel has so many ports (`BR_MAX_PORTS`, less the one that is none).
const MOST_LEGS: usize = 1023;

/// Reports segments on which more nodes stand than a bridge takes.
pub(super) fn check(file: &File, attached: &Attached, diagnostics: &mut Vec<Diagnostic>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for leg in attached.legs.values().flatten() {
        *counts.entry(&leg.segment).or_default() += 1;
    }
    for (name, _) in file.segments.iter() {
        let count = counts.get(name.value.as_str()).copied().unwrap_or_default();
        if count > MOST_LEGS {
            diagnostics.push(
                Diagnostic::error(
                    "lab::crowded-segment",
                    format!("{count} nodes stand on `{}`.", name.value),
                    &name.place,
                    format!("holds at most {MOST_LEGS}: a bridge of the kernel has no more ports"),
                )
                .help("make several segments of it, with a router between them"),
            );
        }
    }
}
