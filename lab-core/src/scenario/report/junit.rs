//! JUnit XML, as Jenkins, GitLab and others read it: a suite a lab, a test case a scenario.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::{Outcome, Results, ScenarioResult};
use super::Tell;
use super::xml::escaped;

/// The document.
pub fn junit(results: &Results, tell: Tell<'_>) -> String {
    let mut suites: BTreeMap<&str, Vec<&ScenarioResult>> = BTreeMap::new();
    for scenario in &results.scenarios {
        suites
            .entry(&scenario.title.lab)
            .or_default()
            .push(scenario);
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuites tests=\"{}\" failures=\"{}\" time=\"{}\">",
        results.scenarios.len(),
        results.count(Outcome::Failed),
        seconds(results.micros)
    );
    for (lab, scenarios) in suites {
        let failed = |outcome| {
            scenarios
                .iter()
                .filter(|scenario| scenario.outcome == Some(outcome))
                .count()
        };
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{}\">",
            escaped(lab),
            scenarios.len(),
            failed(Outcome::Failed),
            failed(Outcome::Interrupted),
            seconds(scenarios.iter().map(|scenario| scenario.micros).sum())
        );
        for scenario in scenarios {
            case(&mut text, lab, scenario, tell);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(text: &mut String, lab: &str, scenario: &ScenarioResult, tell: Tell<'_>) {
    let title = &scenario.title;
    let (file, line) = title.place.rsplit_once(':').unwrap_or((&title.place, "1"));
    let _ = writeln!(
        text,
        "    <testcase classname=\"{}.{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{}\">",
        escaped(lab),
        escaped(&title.id.replace('/', ".")),
        escaped(&scenario.name()),
        escaped(file),
        escaped(line),
        seconds(scenario.micros)
    );
    if !title.covers.is_empty() {
        let _ = writeln!(
            text,
            "      <properties><property name=\"covers\" value=\"{}\"/></properties>",
            escaped(&title.covers.join(" "))
        );
    }
    match scenario.outcome {
        Some(Outcome::Interrupted) | None => {
            text.push_str("      <skipped message=\"interrupted\"/>\n");
        }
        _ => {
            for step in scenario.failures() {
                let Some(failure) = &step.failure else {
                    continue;
                };
                let mut body = format!(
                    "{} {} ({}): {}\nexpected: {}\nseen: {}\n",
                    step.section.word(),
                    step.number,
                    step.place,
                    step.said,
                    failure.expected,
                    failure.seen
                );
                if let Some(journey) = &step.journey {
                    let _ = writeln!(body, "\n{}", tell(journey));
                }
                let _ = writeln!(body, "\nrepeat: {}", title.repeat);
                let _ = writeln!(
                    text,
                    "      <failure message=\"{}\">{}</failure>",
                    escaped(&format!(
                        "{}: expected {}, seen {}",
                        step.said, failure.expected, failure.seen
                    )),
                    escaped(&body)
                );
            }
        }
    }
    text.push_str("    </testcase>\n");
}

fn seconds(micros: u64) -> String {
    format!("{:.6}", micros as f64 / 1e6)
}
