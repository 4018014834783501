//! A matrix for the terminal: a client's addresses with the ports that are open, refused and dropped.

use std::collections::BTreeMap;
use std::fmt::Write;

use lab_core::predict::{Matrix, Outcome};

use super::Disagreement;
use super::lines::{Line, by_client, decided, ports};
use crate::output::{Colour, Paint, Table};

/// Names shown of an address.
const NAMES: usize = 2;

/// All of it.
pub fn table(matrix: &Matrix, paint: Paint) -> String {
    let mut text = String::new();
    for (client, lines) in by_client(matrix) {
        let mut table = Table::default();
        table.titles(
            paint,
            [
                "NAME",
                "ADDRESS",
                "OPEN",
                "REFUSED",
                "UNREACHABLE",
                "DROPPED BY",
            ],
        );
        for line in &lines {
            let column = |outcome: Outcome| {
                let cells = line.row.cells.iter();
                let kinds = cells
                    .filter(move |cell| cell.outcomes.contains(&outcome))
                    .map(|cell| &cell.kind);
                let fits: Vec<_> = kinds.collect();
                match fits.len() == matrix.kinds.len() && !fits.is_empty() {
                    true => "all".to_owned(),
                    false => ports(fits.into_iter()),
                }
            };
            let painted =
                |colour: Colour, text: String| (text.clone(), paint.colour(colour, &text));
            let open = [column(Outcome::Open), column(Outcome::Reached)];
            let open: Vec<String> = open.into_iter().filter(|ports| !ports.is_empty()).collect();
            table.painted([
                painted(
                    if line.row.by_name {
                        Colour::Cyan
                    } else {
                        Colour::Grey
                    },
                    names(line),
                ),
                (line.row.address.to_string(), line.row.address.to_string()),
                painted(Colour::Green, open.join(", ")),
                painted(Colour::Yellow, column(Outcome::Refused)),
                painted(Colour::Yellow, column(Outcome::Unreachable)),
                painted(Colour::Red, dropped(line)),
            ]);
        }
        let _ = write!(text, "{}\n{}\n", paint.bold(client), table.render());
    }
    if matrix.rows.iter().any(|row| !row.by_name) {
        text.push_str(
            "Names in brackets are known to others only: what their addresses would do.\n",
        );
    }
    text
}

fn names(line: &Line<'_>) -> String {
    let shown: Vec<&str> = line.names.iter().take(NAMES).copied().collect();
    let more = match line.names.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = format!("{}{more}", shown.join(", "));
    match line.row.by_name {
        true => names,
        false => format!("[{names}]"),
    }
}

/// `P12 at gateway (27)`: the rule and how many ports it drops.
fn dropped(line: &Line<'_>) -> String {
    let mut by: BTreeMap<String, usize> = BTreeMap::new();
    for cell in &line.row.cells {
        if cell.outcomes.contains(&Outcome::Dropped) {
            *by.entry(decided(cell)).or_default() += 1;
        }
    }
    let words = by.into_iter().map(|(by, count)| format!("{by} ({count})"));
    words.collect::<Vec<_>>().join(", ")
}

/// What was seen and had not been predicted.
pub fn disagreements(all: &[Disagreement], paint: Paint) -> String {
    let mut table = Table::default();
    table.titles(
        paint,
        ["CLIENT", "NAME", "WHAT", "PREDICTED", "SEEN", "DECIDED BY"],
    );
    for one in all {
        let seen = paint.colour(Colour::Red, &one.seen);
        let plain = |text: &str| (text.to_owned(), text.to_owned());
        table.painted([
            plain(&one.client),
            plain(&one.name),
            plain(&one.what),
            plain(&one.predicted),
            (one.seen.clone(), seen),
            plain(&one.decided_by),
        ]);
    }
    table.render()
}
