//! Which attributes of an entry a client gets (RFC 4511 §4.5.1.8).

use super::matching::Shown;
use super::schema;
use super::wire::{Answer, Attribute, Response};

/// What a search asks of entries.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Everything that is not computed.
    all: bool,
    /// Everything that is.
    computed: bool,
    /// What is named.
    named: Vec<Named>,
    types_only: bool,
}

#[derive(Clone, Debug)]
struct Named {
    /// In small letters.
    name: String,
    /// The values that are wanted, counted from 0 ([MS-ADTS] §3.1.1.3.1.3.3).
    range: Option<(usize, Option<usize>)>,
}

impl Selection {
    /// Of the list that a search has.
    pub fn new(list: &[String], types_only: bool) -> Self {
        let mut selection = Self {
            all: list.is_empty(),
            computed: false,
            named: Vec::new(),
            types_only,
        };
        for asked in list {
            match asked.as_str() {
                "*" => selection.all = true,
                "+" => selection.computed = true,
                // No attribute has this name (RFC 4511 §4.5.1.8).
                "1.1" => {}
                _ => selection.named.push(Named::new(asked)),
            }
        }
        selection
    }

    /// What a client gets of an entry.
    pub fn response(&self, id: i32, shown: &Shown<'_>) -> Response {
        let mut attributes = Vec::new();
        let own: Vec<&'static str> = shown.names().collect();
        for name in &own {
            let on_request = schema::attribute(name).is_some_and(|known| known.on_request);
            if if on_request { self.computed } else { self.all } {
                attributes.push(self.attribute(name, None, shown));
            }
        }
        for named in &self.named {
            let is_it = |name: &&&'static str| named.is(name);
            let Some(name) = own.iter().find(is_it) else {
                continue;
            };
            let there = |attribute: &Attribute| attribute.name == *name;
            if named.range.is_none() && attributes.iter().any(there) {
                continue;
            }
            attributes.push(self.attribute(name, named.range, shown));
        }
        Response::new(
            id,
            Answer::Entry {
                name: shown.entry.name.to_string(),
                attributes,
            },
        )
    }

    fn attribute(
        &self,
        name: &'static str,
        range: Option<(usize, Option<usize>)>,
        shown: &Shown<'_>,
    ) -> Attribute {
        let values = shown.values(name);
        let mut attribute = Attribute {
            name: name.to_owned(),
            values: Vec::new(),
        };
        if self.types_only {
            return attribute;
        }
        let Some((low, high)) = range else {
            attribute.values = values.to_vec();
            return attribute;
        };
        let end = high.map_or(values.len(), |high| high.saturating_add(1));
        let wanted = values.iter().take(end).skip(low);
        attribute.values = wanted.cloned().collect();
        attribute.name = if end >= values.len() {
            format!("{name};range={low}-*")
        } else {
            format!("{name};range={low}-{}", end - 1)
        };
        attribute
    }
}

impl Named {
    fn new(asked: &str) -> Self {
        let mut parts = asked.split(';');
        let name = parts.next().unwrap_or_default().trim().to_lowercase();
        let range = parts.find_map(|option| {
            let (word, range) = option.split_once('=')?;
            let (low, high) = range.split_once('-')?;
            if !word.eq_ignore_ascii_case("range") {
                return None;
            }
            let high = if high == "*" {
                None
            } else {
                Some(high.parse().ok()?)
            };
            Some((low.parse().ok()?, high))
        });
        Self { name, range }
    }

    fn is(&self, name: &str) -> bool {
        self.name == name.to_lowercase()
            || schema::attribute(&self.name).is_some_and(|known| known.name == name)
    }
}
