//! One page that needs nothing else: no script, no font, no picture from elsewhere.

use std::fmt::Write;

use super::super::{Outcome, Results, ScenarioResult, StepReport};
use super::Tell;
use super::coverage;
use super::xml::escaped;

/// The page.
pub fn html(results: &Results, tell: Tell<'_>) -> String {
    let passed = results.count(Outcome::Passed);
    let failed = results.count(Outcome::Failed);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{failed} failed, {passed} passed</title>\n<style>{}</style></head><body>\n",
        include_str!("style.css")
    );
    let _ = writeln!(
        text,
        "<h1>{}</h1><p>{passed} passed, {failed} failed, {} scenarios in {:.1} s{}</p>",
        match failed {
            0 => "As expected",
            _ => "Not as expected",
        },
        results.wanted,
        results.micros as f64 / 1e6,
        match results.interrupted {
            true => "; interrupted, not all of them ran",
            false => "",
        }
    );
    // What failed is why the page was opened.
    let mut scenarios: Vec<&ScenarioResult> = results.scenarios.iter().collect();
    scenarios.sort_by_key(|one| one.outcome == Some(Outcome::Passed));
    for one in scenarios {
        scenario(&mut text, one, tell);
    }
    for one in &results.coverage {
        coverage::section(&mut text, one);
    }
    text.push_str("</body></html>\n");
    text
}

fn scenario(text: &mut String, scenario: &ScenarioResult, tell: Tell<'_>) {
    let (class, open) = match scenario.outcome {
        Some(Outcome::Passed) => ("passed", ""),
        Some(Outcome::Failed) => ("failed", " open"),
        Some(Outcome::Interrupted) | None => ("interrupted", ""),
    };
    let title = &scenario.title;
    let _ = writeln!(
        text,
        "<details class=\"{class}\"{open}><summary><b>{}</b> <i>{}</i> <span>{} · {} · {:.2} s</span></summary>",
        escaped(&scenario.name()),
        escaped(&title.covers.join(" ")),
        escaped(&title.lab),
        escaped(&title.id),
        scenario.micros as f64 / 1e6
    );
    if let Some(about) = &title.about {
        let _ = writeln!(text, "<p>{}</p>", escaped(about));
    }
    text.push_str("<ol>\n");
    for one in &scenario.steps {
        step(text, one, tell);
    }
    let _ = writeln!(
        text,
        "</ol><p>{} · repeat: <code>{}</code></p></details>",
        escaped(&title.place),
        escaped(&title.repeat)
    );
}

fn step(text: &mut String, step: &StepReport, tell: Tell<'_>) {
    let class = match step.failure {
        Some(_) => "failed",
        None => "passed",
    };
    let _ = writeln!(
        text,
        "<li class=\"{class}\"><code>{}</code> <span>{} {} · {:.0} ms</span>",
        escaped(&step.said),
        step.section.word(),
        escaped(&step.place),
        step.micros as f64 / 1e3
    );
    if let Some(failure) = &step.failure {
        let _ = writeln!(
            text,
            "<dl><dt>expected</dt><dd>{}</dd><dt>seen</dt><dd>{}</dd></dl>",
            escaped(&failure.expected),
            escaped(&failure.seen)
        );
        let parts = [
            ("output", &failure.printed),
            ("errors", &failure.complained),
        ];
        for (what, part) in parts {
            if let Some(part) = part {
                let _ = writeln!(
                    text,
                    "<h4>{what}</h4><pre>{}</pre>",
                    escaped(&shortened(part))
                );
            }
        }
        if !failure.logs.is_empty() {
            text.push_str("<h4>logs</h4><pre>");
            for line in &failure.logs {
                let _ = writeln!(
                    text,
                    "{}/{} {}",
                    escaped(&line.node),
                    escaped(&line.process),
                    escaped(&line.text)
                );
            }
            text.push_str("</pre>");
        }
    }
    if let Some(journey) = &step.journey {
        path(text, &journey.from, &journey.path());
        let lines = tell(journey);
        let _ = writeln!(
            text,
            "<details><summary>the way</summary><pre>{}</pre></details>",
            escaped(&lines)
        );
    }
    text.push_str("</li>\n");
}

/// The nodes on the way, drawn.
fn path(text: &mut String, from: &str, nodes: &[String]) {
    text.push_str("<p class=\"way\">");
    let _ = write!(text, "<b>{}</b>", escaped(from));
    for node in nodes {
        let _ = write!(text, "<s></s><b>{}</b>", escaped(node));
    }
    text.push_str("</p>\n");
}

/// The beginning of what was printed.
fn shortened(text: &str) -> String {
    const MOST: usize = 10_000;
    let end = text.floor_char_boundary(MOST);
    match end < text.len() {
        true => format!("{}…\n({} bytes)", &text[..end], text.len()),
        false => text.to_owned(),
    }
}
