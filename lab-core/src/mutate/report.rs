//! What became of mutations.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::mutation::{Family, How, Mutation};
use crate::coverage::Subject;

/// Version of the form in which reports are written.
pub const VERSION: u32 = 1;

/// What became of the mutations of a lab; kept in a file, the run can go on from there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The lab.
    pub lab: String,
    /// Of the lab and its scenarios: where it differs, what was found before says nothing.
    pub digest: String,
    /// How many were to be tried.
    pub wanted: usize,
    /// The user ended it.
    pub interrupted: bool,
    /// What each scenario exercises where nothing is changed, and the microseconds it takes.
    pub scenarios: BTreeMap<String, (u64, BTreeSet<Subject>)>,
    /// Those that were tried, by their ids.
    pub mutations: BTreeMap<String, Mutated>,
}

/// What became of a mutation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mutated {
    /// What it changes.
    pub family: Family,
    /// How.
    pub how: How,
    /// A sentence without its full stop.
    pub said: String,
    /// `file:line` of what it changes.
    pub place: String,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
    /// Microseconds that it took.
    pub micros: u64,
}

/// What became of a mutation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum Fate {
    /// A scenario failed.
    Caught {
        /// Which.
        by: String,
        /// Its step, and what it saw.
        why: String,
        /// How many scenarios ran before it.
        after: usize,
    },
    /// The lab did not come up with it.
    NotUp {
        /// Why.
        why: String,
    },
    /// No scenario noticed, and none could: it changes nothing.
    Explained {
        /// What makes it so.
        why: String,
    },
    /// No scenario noticed.
    Survived,
}

impl Fate {
    /// For people.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Caught { .. } => "caught",
            Self::NotUp { .. } => "not up",
            Self::Explained { .. } => "explained",
            Self::Survived => "survived",
        }
    }
}

impl Report {
    /// How many ended so.
    pub fn count(&self, word: &str) -> usize {
        let all = self.mutations.values();
        all.filter(|one| one.fate.word() == word).count()
    }

    /// The scenarios in the order in which they are tried: first those that exercised what the mutation
    /// changes, of these those that noticed other changes of the same thing, then those that exercised
    /// most of it, then the quickest; last those that break something. `breaks`: these.
    pub fn order(&self, mutation: &Mutation, breaks: &BTreeSet<String>) -> Vec<String> {
        let noticed = self.noticed(&mutation.place);
        let mut all: Vec<_> = self
            .scenarios
            .iter()
            .map(|(id, (micros, used))| {
                let subjects = mutation.subjects.iter();
                let concerned = subjects.filter(|one| used.contains(one)).count();
                let noticed = noticed.get(id.as_str()).copied().unwrap_or_default();
                (
                    concerned == 0,
                    breaks.contains(id),
                    Reverse(noticed),
                    Reverse(concerned),
                    *micros,
                    id,
                )
            })
            .collect();
        all.sort();
        all.into_iter().map(|(.., id)| id.clone()).collect()
    }

    /// How many changes at a place each scenario noticed.
    fn noticed(&self, place: &str) -> BTreeMap<&str, usize> {
        let mut noticed = BTreeMap::new();
        for mutated in self.mutations.values().filter(|one| one.place == place) {
            if let Fate::Caught { by, .. } = &mutated.fate {
                *noticed.entry(by.as_str()).or_default() += 1;
            }
        }
        noticed
    }
}
