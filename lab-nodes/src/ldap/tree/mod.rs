//! What is in the directory: a tree of entries, computed once from the domain and its accounts.
//!
//! - `entry`: an entry with its attributes;
//! - `contents`: what a tree is made of;
//! - `domain`: the domain, its people, groups and computers;
//! - `configuration`: partitions, sites and the schema;
//! - `root`: the root entry, which says what the server can do.

mod configuration;
mod contents;
mod domain;
mod entry;
mod root;

pub use contents::Contents;
pub use entry::Entry;
pub use root::{Abilities, root};

use super::name::Name;

/// All entries but the root's, parents before their children.
#[derive(Debug, Default)]
pub struct Tree {
    entries: Vec<Entry>,
}

impl Tree {
    /// Of these contents.
    pub fn new(contents: &Contents) -> Self {
        let mut entries = domain::entries(contents);
        entries.extend(configuration::entries(contents));
        for (number, entry) in (FIRST_USN..).zip(&mut entries) {
            entry.number(number);
        }
        Self { entries }
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a name.
    pub fn find(&self, name: &Name) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == *name)
    }

    /// The nearest entry that is there, from a name upwards.
    pub fn nearest(&self, name: &Name) -> Option<&Entry> {
        let above = std::iter::successors(name.parent(), Name::parent);
        above.into_iter().find_map(|name| self.find(&name))
    }
}

/// Update sequence numbers begin where AD's of a new domain about do.
const FIRST_USN: u64 = 4096;
