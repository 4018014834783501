//! Diagnostics for people: the lines of the file, underlined.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode, SourceSpan};

use super::snippet::Lines;
use super::source::Checked;
use crate::model::{Diagnostic, Place, Severity};

/// Most diagnostics shown; a file of another kind may give thousands.
const MOST: usize = 100;
/// Longest stretch that is underlined, in bytes.
const LONGEST_MARK: usize = 200;
/// Width of a report in columns; source lines are not cut.
const WIDTH: usize = 100;

/// All diagnostics as text, and a line that counts them; nothing if there are none.
pub fn render(checked: &Checked, colour: bool) -> String {
    report(&checked.diagnostics, &checked.sources, colour)
}

/// As [`render`], of diagnostics on any files; `sources` has their text by name.
pub fn report(
    diagnostics: &[Diagnostic],
    sources: &BTreeMap<String, String>,
    colour: bool,
) -> String {
    let theme = if colour {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .with_context_lines(1);
    let mut text = String::new();
    for diagnostic in diagnostics.iter().take(MOST) {
        let report = Report::new(diagnostic, sources);
        if handler.render_report(&mut text, &report).is_err() {
            let _ = writeln!(text, "{}", diagnostic.message);
        }
        text.push('\n');
    }
    if diagnostics.len() > MOST {
        let _ = writeln!(text, "These are the first {MOST}.");
    }
    if let Some(counts) = counts(diagnostics) {
        let _ = writeln!(text, "{counts}");
    }
    text.lines().fold(String::new(), |mut clean, line| {
        let _ = writeln!(clean, "{}", line.trim_end());
        clean
    })
}

/// `3 errors and 1 warning`.
fn counts(diagnostics: &[Diagnostic]) -> Option<String> {
    let count = |severity, one: &str| {
        let number = diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count();
        match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            number => Some(format!("{number} {one}s")),
        }
    };
    let counts = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    (!counts.is_empty()).then(|| counts.join(" and "))
}

/// One diagnostic in miette's terms. A report shows one file: places in others become
/// related reports.
#[derive(Debug)]
struct Report {
    message: String,
    code: Option<&'static str>,
    help: Option<String>,
    severity: miette::Severity,
    source: Option<Lines>,
    labels: Vec<LabeledSpan>,
    related: Vec<Report>,
}

impl Report {
    fn new(diagnostic: &Diagnostic, sources: &BTreeMap<String, String>) -> Self {
        let severity = match diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        };
        let mut report = Self {
            message: diagnostic.message.clone(),
            code: Some(diagnostic.code),
            help: diagnostic.help.clone(),
            severity,
            source: None,
            labels: Vec::new(),
            related: Vec::new(),
        };
        let Some((main, _)) = diagnostic.labels.first() else {
            return report;
        };
        report.source = source(main, sources);
        for (at, (place, label)) in diagnostic.labels.iter().enumerate() {
            let Some(text) = sources.get(&*place.file).filter(|_| place.line > 0) else {
                continue;
            };
            let span = match at {
                0 => LabeledSpan::new_primary_with_span(Some(label.clone()), span(place, text)),
                _ => LabeledSpan::new_with_span(Some(label.clone()), span(place, text)),
            };
            if place.file == main.file {
                report.labels.push(span);
            } else {
                report.related.push(Self {
                    message: format!("see also {place}"),
                    code: None,
                    help: None,
                    severity: miette::Severity::Advice,
                    source: source(place, sources),
                    labels: vec![span],
                    related: Vec::new(),
                });
            }
        }
        report
    }
}

fn source(place: &Place, sources: &BTreeMap<String, String>) -> Option<Lines> {
    let text = sources.get(&*place.file)?;
    Some(Lines {
        name: place.file.to_string(),
        text: text.clone(),
    })
}

/// The place within its first line: a node of forty lines is not underlined as a whole.
fn span(place: &Place, text: &str) -> SourceSpan {
    let rest = text.get(place.offset..).unwrap_or("");
    let line = rest.find('\n').unwrap_or(rest.len());
    let length = rest.floor_char_boundary(place.len.min(line).min(LONGEST_MARK));
    (place.offset.min(text.len()), length).into()
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.code
            .map(|code| Box::new(code) as Box<dyn std::fmt::Display>)
    }
    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() {
            return None;
        }
        Some(Box::new(self.labels.iter().cloned()))
    }
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(
            self.related
                .iter()
                .map(|report| report as &dyn miette::Diagnostic),
        ))
    }
}
