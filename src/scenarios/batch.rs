//! The scenarios of one lab, checked and chosen.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use lab_core::check::{Lab, Source, load, render, report};
use lab_core::coverage::Coverage;
use lab_core::plan::{Plan, plan};
use lab_core::scenario::{Known, Loaded, Scenario, Task, Title, load as load_scenarios};
use lab_nodes::CATALOGUE;

use super::sources::Set;
use crate::output::{Failure, Screen};

/// The scenarios of one lab.
pub struct Batch {
    /// The lab's name in its file.
    pub lab: String,
    /// What `lab up` is told to bring it up.
    pub up: String,
    /// The lab, checked.
    pub checked: Lab,
    /// Its plan.
    pub plan: Plan,
    /// Changes with the lab and the texts of its scenarios.
    digest: u64,
    /// Nodes that a path may leave out.
    pub routers: BTreeSet<String>,
    /// All that scenarios could exercise, never exercised so far.
    pub whole: Coverage,
    /// What is to be done.
    pub tasks: Vec<Task>,
}

/// Checks a lab and its scenarios; what is wrong goes to stderr.
///
/// # Errors
/// Something is wrong.
pub fn check(set: &Set, screen: &Screen) -> Result<Batch, Failure> {
    let checked = load(&set.source, CATALOGUE);
    if !checked.diagnostics.is_empty() {
        screen.note(render(&checked, screen.stderr().is_on()).trim_end());
    }
    let Some(lab) = checked.lab else {
        return Err(Failure::Reported(2));
    };
    let plan = plan(&lab, CATALOGUE);
    let loaded = check_scenarios(set, &lab, &plan, screen);
    if loaded.has_errors() {
        return Err(Failure::Reported(2));
    }
    let routers = plan.nodes.values().filter(|node| node.router);
    let covers = loaded.scenarios.iter().flat_map(|one| &one.covers);
    let whole = Coverage::of(&lab, &plan, &covers.cloned().collect());
    let tasks = loaded
        .scenarios
        .into_iter()
        .map(|scenario| {
            let title = title(&scenario, &lab, set);
            (scenario, title)
        })
        .collect();
    Ok(Batch {
        lab: lab.name.clone(),
        up: set.up.clone(),
        routers: routers.map(|node| node.name.clone()).collect(),
        digest: digest(&lab, set),
        whole,
        tasks,
        checked: lab,
        plan,
    })
}

impl Batch {
    /// Changes with the lab and with what is to be done: whether two runs are about the same, and
    /// nothing that must withstand an attack.
    pub fn digest(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.digest.hash(&mut hasher);
        for (scenario, _) in &self.tasks {
            scenario.id.hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }
}

fn digest(lab: &Lab, set: &Set) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{lab:?}").hash(&mut hasher);
    for text in &set.texts {
        text.text.hash(&mut hasher);
    }
    hasher.finish()
}

/// The files that a set is made from: its scenarios, the lab file and what that includes.
pub fn files(set: &Set) -> Vec<String> {
    if let Source::Embedded { .. } = set.source {
        return Vec::new();
    }
    let lab = load(&set.source, CATALOGUE).sources.into_keys();
    lab.chain(set.texts.iter().map(|text| text.file.clone()))
        .collect()
}

/// Checks scenarios against their lab; what is wrong goes to stderr.
pub fn check_scenarios(set: &Set, lab: &Lab, plan: &Plan, screen: &Screen) -> Loaded {
    let loaded = load_scenarios(&set.texts, &Known { lab, plan });
    if !loaded.diagnostics.is_empty() {
        let text = report(
            &loaded.diagnostics,
            &loaded.sources,
            screen.stderr().is_on(),
        );
        screen.note(text.trim_end());
    }
    loaded
}

fn title(scenario: &Scenario, lab: &Lab, set: &Set) -> Title {
    let what = match &set.source {
        Source::Embedded { name, .. } => (*name).to_owned(),
        Source::File { .. } => scenario.place.file.to_string(),
    };
    Title {
        id: scenario.id.clone(),
        lab: lab.name.clone(),
        title: scenario.title.clone(),
        case: scenario.case.clone(),
        covers: scenario.covers.clone(),
        tags: scenario.tags.clone(),
        about: scenario.about.clone(),
        place: scenario.place.to_string(),
        repeat: format!(
            "lab test {} --filter {}",
            quoted(&what),
            quoted(&scenario.id)
        ),
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Whether a filter means a scenario: its id or a part of it, a part of its title, a requirement
/// or a tag.
pub fn is_meant(title: &Title, filter: &str) -> bool {
    let file = title.id.split('[').next().unwrap_or_default();
    let last = Path::new(file).file_name().and_then(|name| name.to_str());
    // A whole id is that scenario alone, and not those whose id goes on after it.
    if title.id == filter || file == filter || last == Some(filter) {
        return true;
    }
    let word = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case(filter));
    word(&title.covers)
        || word(&title.tags)
        || title.title.to_lowercase().contains(&filter.to_lowercase())
        || title.id.contains(filter)
}
