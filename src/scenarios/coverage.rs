//! What scenarios exercised and what never, for people.

use std::fmt::Write;

use lab_core::coverage::{Coverage, Exercised, Kind};

use crate::output::{Colour, Paint, Table};

/// A table of how much of each kind, and below it what was never exercised.
pub fn told(coverage: &Coverage, paint: Paint) -> String {
    let mut table = Table::default();
    table.titles(paint, ["KIND", "EXERCISED", "OF", "NEVER"]);
    for kind in Kind::ALL {
        let (used, all) = coverage.count(kind);
        let plain = |text: String| (text.clone(), text);
        let never = (all - used).to_string();
        let colour = match used == all {
            true => Colour::Green,
            false => Colour::Yellow,
        };
        table.painted([
            plain(kind.word().to_owned()),
            plain(used.to_string()),
            plain(all.to_string()),
            (never.clone(), paint.colour(colour, &never)),
        ]);
    }
    let mut text = format!(
        "{}\n{}",
        paint.bold(&format!("Exercised of {}", coverage.lab)),
        table.render()
    );
    for kind in Kind::ALL {
        let never: Vec<String> = coverage.never(kind).map(line).collect();
        if never.is_empty() {
            continue;
        }
        let title = format!("{} never exercised", kind.word());
        let _ = writeln!(text, "{}", paint.colour(Colour::Yellow, &title));
        for line in never {
            let _ = writeln!(text, "  {line}");
        }
    }
    for gap in &coverage.gaps {
        let _ = writeln!(text, "{} {gap}", paint.colour(Colour::Yellow, "unsure:"));
    }
    text
}

fn line(one: &Exercised) -> String {
    let mut line = one.subject.to_string();
    match one.permits {
        Some(true) => line.push_str(", permits"),
        Some(false) => line.push_str(", drops"),
        None => {}
    }
    if let Some(note) = &one.note {
        let _ = write!(line, " \"{note}\"");
    }
    // Questions after health count, too, and so do rules that share an id.
    if let Some(packets @ 1..) = one.packets {
        let _ = write!(
            line,
            " (its id counted {packets} packets, none of a scenario)"
        );
    }
    line
}
