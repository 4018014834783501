//! What came of mutations, for people.

use std::fmt::Write;

use lab_core::mutate::{Fate, Mutated, Report};

use crate::output::{Colour, Paint};

/// A line when one was tried.
pub fn progress(one: &Mutated, left: usize, paint: Paint) -> String {
    let by = match &one.fate {
        Fate::Caught { by, .. } => format!(" by {by}"),
        _ => String::new(),
    };
    format!(
        "{} {} ({}){by} {}",
        word(&one.fate, paint),
        one.said,
        one.place,
        paint.colour(
            Colour::Grey,
            &format!("{:.2} s, {left} left", one.micros as f64 / 1e6)
        )
    )
}

fn word(fate: &Fate, paint: Paint) -> String {
    let word = format!("{:<9}", fate.word());
    match fate {
        Fate::Caught { .. } | Fate::NotUp { .. } => paint.colour(Colour::Green, &word),
        Fate::Explained { .. } => paint.colour(Colour::Cyan, &word),
        Fate::Survived => paint.bold_in(Colour::Red, &word),
    }
}

/// What no scenario noticed, and a line that counts; `up`: what `lab up` is told.
pub fn told(report: &Report, up: &str, paint: Paint) -> String {
    let mut text = String::new();
    for (id, one) in &report.mutations {
        match &one.fate {
            Fate::Explained { why } => {
                let _ = writeln!(
                    text,
                    "{} {} ({})\n          {why}",
                    word(&one.fate, paint),
                    one.said,
                    one.place
                );
            }
            Fate::Survived => {
                let _ = writeln!(
                    text,
                    "{} {} ({})\n          lab up {up} --mutation '{id}'",
                    word(&one.fate, paint),
                    one.said,
                    one.place
                );
            }
            Fate::Caught { .. } | Fate::NotUp { .. } => {}
        }
    }
    let count = |word: &str| report.count(word);
    let left = report.wanted.saturating_sub(report.mutations.len());
    let _ = write!(
        text,
        "{}: {} of {} mutations caught, {} did not come up, {} explained, {} survived",
        report.lab,
        count("caught"),
        report.wanted,
        count("not up"),
        count("explained"),
        count("survived"),
    );
    if left > 0 {
        let _ = write!(text, ", {left} not tried");
    }
    text.push('\n');
    text
}
