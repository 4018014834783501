//! Progress and failures, for people.

use std::fmt::Write;

use lab_core::scenario::{Event, Outcome, Results, ScenarioResult, Section, StepReport};

use crate::journey::tree;
use crate::output::{Colour, Paint, Screen};

/// Where a further line of what follows a key begins.
const BELOW: &str = "\n            ";
/// Most lines of a journey that are shown.
const WAY: usize = 60;
/// Most lines of an output that are shown.
const LINES: usize = 20;

/// A line on stderr for each scenario that ended.
pub fn progress(event: &Event, results: &Results, screen: &Screen) {
    let Event::ScenarioEnded {
        id,
        outcome,
        micros,
    } = event
    else {
        return;
    };
    let Some(scenario) = results.scenario(id) else {
        return;
    };
    let paint = screen.stderr();
    let covers = match scenario.title.covers.is_empty() {
        true => String::new(),
        false => format!(" [{}]", scenario.title.covers.join(" ")),
    };
    let seconds = format!("{:.2} s", *micros as f64 / 1e6);
    screen.note(&format!(
        "{} {}{} {}",
        word(Some(*outcome), paint),
        scenario.name(),
        paint.colour(Colour::Cyan, &covers),
        paint.colour(Colour::Grey, &seconds)
    ));
}

fn word(outcome: Option<Outcome>, paint: Paint) -> String {
    match outcome {
        Some(Outcome::Passed) => paint.colour(Colour::Green, "ok    "),
        Some(Outcome::Failed) => paint.bold_in(Colour::Red, "FAILED"),
        Some(Outcome::Interrupted) | None => paint.colour(Colour::Yellow, "ended "),
    }
}

/// What failed, and a line that counts.
pub fn summary(results: &Results, paint: Paint) -> String {
    let mut text = String::new();
    for scenario in &results.scenarios {
        if scenario.failures().next().is_some() {
            failed(&mut text, scenario, paint);
        }
    }
    let (passed, failed) = (
        results.count(Outcome::Passed),
        results.count(Outcome::Failed),
    );
    let left = results.wanted - passed - failed;
    let mut counts = vec![paint.colour(Colour::Green, &format!("{passed} passed"))];
    if failed > 0 {
        counts.push(paint.bold_in(Colour::Red, &format!("{failed} failed")));
    }
    if left > 0 {
        counts.push(paint.colour(Colour::Yellow, &format!("{left} not done")));
    }
    let _ = writeln!(
        text,
        "{} in {:.1} s",
        counts.join(", "),
        results.micros as f64 / 1e6
    );
    text
}

fn failed(text: &mut String, scenario: &ScenarioResult, paint: Paint) {
    let title = &scenario.title;
    let _ = writeln!(
        text,
        "{} {}  {}",
        paint.bold_in(Colour::Red, "FAILED"),
        paint.bold(&scenario.name()),
        paint.colour(Colour::Grey, &title.place)
    );
    for step in scenario.failures() {
        step_failed(text, step, paint);
    }
    let steps = scenario
        .failures()
        .filter(|step| step.section == Section::Steps);
    let alone = steps
        .map(|step| step.number)
        .find(|number| *number > 1)
        .map_or_else(String::new, |number| {
            format!("  (--step {number}: that one alone)")
        });
    let _ = writeln!(
        text,
        "  {}    {}{alone}\n",
        paint.colour(Colour::Cyan, "repeat"),
        title.repeat
    );
}

fn step_failed(text: &mut String, step: &StepReport, paint: Paint) {
    let Some(failure) = &step.failure else {
        return;
    };
    let key = |word: &str| paint.colour(Colour::Cyan, &format!("{word:<10}"));
    let _ = writeln!(
        text,
        "  {}{}  {}",
        key(&format!("{} {}", step.section.word(), step.number)),
        step.said,
        paint.colour(Colour::Grey, &failure.place)
    );
    let _ = writeln!(text, "  {}{}", key("expected"), indented(&failure.expected));
    let _ = writeln!(text, "  {}{}", key("seen"), indented(&failure.seen));
    if let Some(help) = &failure.help {
        let _ = writeln!(text, "  {}{}", key("help"), indented(help));
    }
    for (what, part) in [
        ("output", &failure.printed),
        ("errors", &failure.complained),
    ] {
        if let Some(part) = part
            && !failure.seen.contains(part.trim_end())
        {
            let _ = writeln!(text, "  {}{}", key(what), indented(&last_lines(part)));
        }
    }
    if let Some(journey) = &step.journey {
        let lines = tree(journey, None, paint);
        // Its colours are ours; what came from the network is escaped where it is told.
        let lines = first_lines(lines.trim_end()).replace('\n', BELOW);
        let _ = writeln!(text, "  {}{lines}", key("the way"));
    }
    if !failure.logs.is_empty() {
        let lines: Vec<String> = failure
            .logs
            .iter()
            .map(|line| format!("{}/{} {}", line.node, line.process, line.text))
            .collect();
        let _ = writeln!(text, "  {}{}", key("logs"), indented(&lines.join("\n")));
    }
}

/// What follows a key: its further lines stand below its first. Signs that would move the cursor
/// are shown as what they are.
fn indented(text: &str) -> String {
    let clean: String = text
        .trim_end()
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() => c.escape_default().to_string(),
            c => c.to_string(),
        })
        .collect();
    clean.replace('\n', BELOW)
}

/// Of many requests the first are as good as all.
fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    match lines.len() > WAY {
        true => format!(
            "{}\n… ({} more lines; --html and --json have all)",
            lines[..WAY].join("\n"),
            lines.len() - WAY
        ),
        false => text.to_owned(),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    match lines.len() > LINES {
        true => format!(
            "… ({} lines before)\n{}",
            lines.len() - LINES,
            lines[lines.len() - LINES..].join("\n")
        ),
        false => lines.join("\n"),
    }
}
