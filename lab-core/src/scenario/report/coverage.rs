//! What was exercised, as a part of the page.

use std::fmt::Write;

use super::xml::escaped;
use crate::coverage::{Coverage, Kind};

/// A table of how much of each kind, and below it what was never exercised.
pub fn section(text: &mut String, coverage: &Coverage) {
    let _ = writeln!(
        text,
        "<h2>Exercised of {}</h2>\n<table>",
        escaped(&coverage.lab)
    );
    for kind in Kind::ALL {
        let (used, all) = coverage.count(kind);
        let _ = writeln!(
            text,
            "<tr><th>{}</th><td>{used} of {all}</td></tr>",
            kind.word()
        );
    }
    text.push_str("</table>\n");
    for kind in Kind::ALL {
        let never: Vec<String> = coverage
            .never(kind)
            .map(|one| one.subject.to_string())
            .collect();
        if never.is_empty() {
            continue;
        }
        let _ = writeln!(
            text,
            "<details><summary>{} never exercised: {}</summary><ul>",
            kind.word(),
            never.len()
        );
        for one in never {
            let _ = writeln!(text, "<li>{}</li>", escaped(&one));
        }
        text.push_str("</ul></details>\n");
    }
    for gap in &coverage.gaps {
        let _ = writeln!(text, "<p>{}</p>", escaped(gap));
    }
}
