//! From files to scenarios that can be run: all mistakes in one go.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Decode, Diagnostic, Map, Severity, Spanned, Tree, Value, yaml};

use super::check::{self, Known};
use super::checked::Scenario;
use super::file::{File, VERSION};
use super::find::Text;
use super::variables::{Variables, replaced};

/// What came of reading scenario files.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The scenarios of files that are in order.
    pub scenarios: Vec<Scenario>,
    /// All that is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of each file by its name.
    pub sources: BTreeMap<String, String>,
}

impl Loaded {
    /// Whether there is an error among the diagnostics.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads and checks scenarios against the lab that they are for.
pub fn load(texts: &[Text], known: &Known<'_>) -> Loaded {
    let mut loaded = Loaded::default();
    for text in texts {
        let mut diagnostics = Vec::new();
        let found = one(text, known, &mut diagnostics);
        // What is wrong in a step is found again for each case.
        let mut said = BTreeSet::new();
        diagnostics.retain(|one| said.insert((one.code, one.labels.clone(), one.message.clone())));
        diagnostics.sort_by_key(|one| one.labels.first().map(|(place, _)| place.offset));
        if diagnostics
            .iter()
            .all(|one| one.severity != Severity::Error)
        {
            loaded.scenarios.extend(found);
        }
        loaded.diagnostics.append(&mut diagnostics);
        loaded.sources.insert(text.file.clone(), text.text.clone());
    }
    loaded
}

fn one(text: &Text, known: &Known<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Scenario> {
    let Some(tree) = yaml::parse(&text.file, &text.text, diagnostics) else {
        return Vec::new();
    };
    if !is_this_version(&tree, diagnostics) {
        return Vec::new();
    }
    let (mut variables, cases) = variables_and_cases(&tree);
    variables.insert("lab".into(), known.lab.name.clone());
    let body = without(&tree, &["variables", "cases"]);
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for (at, case) in cases.iter().enumerate() {
        let mut mine = variables.clone();
        mine.extend(
            case.iter()
                .map(|(key, value)| (key.value.clone(), value.clone())),
        );
        let name = (!case.is_empty()).then(|| case_name(case, at));
        // Two cases of one name could not be told apart.
        let name = name.map(|name| match names.insert(name.clone()) {
            true => name,
            false => format!("{name}-{}", at + 1),
        });
        let before = diagnostics.len();
        let tree = replaced(&body, &mine, diagnostics);
        // What is made of an unknown variable is nobody's mistake.
        if diagnostics.len() > before {
            continue;
        }
        let Some(file) = File::decode(&tree, diagnostics) else {
            continue;
        };
        let id = match &name {
            Some(name) => format!("{}[{name}]", text.id),
            None => text.id.clone(),
        };
        found.extend(check::scenario(id, name, &file, known, diagnostics));
    }
    // The records of these two know their keys and types; what they hold was used above.
    let _: Option<Map<String>> = tree
        .get("variables")
        .and_then(|tree| Map::decode(tree, diagnostics));
    let _: Option<Vec<Map<String>>> = tree
        .get("cases")
        .and_then(|tree| Vec::decode(tree, diagnostics));
    found
}

fn is_this_version(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Some(version) = tree
        .get("version")
        .and_then(|version| Spanned::<u64>::decode(version, &mut Vec::new()))
    else {
        return true;
    };
    if version.value == VERSION {
        return true;
    }
    let (problem, help) = match version.value > VERSION {
        true => ("newer than", "update Tierlab"),
        false => ("no version of", "write `version: 1`, or leave it out"),
    };
    let message = format!(
        "Version {} of the scenario is {problem} what this `lab` reads, which is {VERSION}.",
        version.value
    );
    diagnostics.push(
        Diagnostic::error("scenario::version", message, &version.place, "this version").help(help),
    );
    false
}

/// The variables, and the cases: one without variables where none is written.
fn variables_and_cases(tree: &Tree) -> (Variables, Vec<Map<String>>) {
    let silent = &mut Vec::new();
    let variables: Map<String> = tree
        .get("variables")
        .and_then(|tree| Map::decode(tree, silent))
        .unwrap_or_default();
    let cases: Vec<Map<String>> = tree
        .get("cases")
        .and_then(|tree| Vec::decode(tree, silent))
        .unwrap_or_default();
    let variables = variables
        .iter()
        .map(|(key, value)| (key.value.clone(), value.clone()))
        .collect();
    match cases.is_empty() {
        true => (variables, vec![Map::default()]),
        false => (variables, cases),
    }
}

fn without(tree: &Tree, keys: &[&str]) -> Tree {
    let mut tree = tree.clone();
    if let Value::Map(entries) = &mut tree.value {
        entries.retain(|(key, _)| !keys.contains(&key.value.as_str()));
    }
    tree
}

/// Its `name`, or else what its columns say.
fn case_name(case: &Map<String>, at: usize) -> String {
    let name = case.iter().find(|(key, _)| key.value == "name");
    let text = match name {
        Some((_, name)) => name.clone(),
        None => {
            let values: Vec<&str> = case.iter().map(|(_, value)| value.as_str()).collect();
            values.join(" ")
        }
    };
    match text.is_empty() || text.len() > 60 {
        true => (at + 1).to_string(),
        false => text,
    }
}
