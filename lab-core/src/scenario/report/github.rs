//! Annotations of GitHub Actions: workflow commands on stdout.

use std::fmt::Write;

use super::super::Results;

/// A line for each step that failed.
pub fn github(results: &Results) -> String {
    let mut text = String::new();
    for scenario in &results.scenarios {
        for step in scenario.failures() {
            let Some(failure) = &step.failure else {
                continue;
            };
            let (file, line) = failure
                .place
                .rsplit_once(':')
                .unwrap_or((failure.place.as_str(), "1"));
            let _ = writeln!(
                text,
                "::error file={},line={},title={}::{}",
                property(file),
                property(line),
                property(&scenario.name()),
                data(&format!(
                    "{}\nexpected: {}\nseen: {}",
                    step.said, failure.expected, failure.seen
                ))
            );
        }
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
