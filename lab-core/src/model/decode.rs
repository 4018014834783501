//! [`Tree`] → types. Decoding goes on after a mistake, so that all of them are
//! reported at once; a value is `None` when something was said about it.

use std::path::PathBuf;

use serde_json::json;

use super::nearest::nearest;
use super::{Diagnostic, Place, Spanned, Tree, Value};

/// What can be read from a lab file, and how a schema describes it.
pub trait Decode: Sized {
    /// Reads it; on `None` the reason is among the diagnostics.
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self>;

    /// JSON schema of what `decode` accepts.
    fn schema() -> serde_json::Value;

    /// What it is where nothing is written; `None` if it must be written.
    fn absent() -> Option<Self> {
        None
    }
}

/// Says that something else was expected.
pub fn wrong_type(tree: &Tree, wanted: &str, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.push(Diagnostic::error(
        "lab::wrong-type",
        format!("Expected {wanted}, found {}.", tree.described()),
        &tree.place,
        format!("should be {wanted}"),
    ));
}

/// The entries of a map, taken out one by one; what is left was not known.
pub struct Fields<'a> {
    what: &'static str,
    tree: &'a Tree,
    entries: Vec<&'a (Spanned<String>, Tree)>,
    known: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Opens a map; nothing written counts as an empty one.
    pub fn open(
        tree: &'a Tree,
        what: &'static str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let entries = match &tree.value {
            Value::Map(entries) => entries.iter().collect(),
            Value::Null => Vec::new(),
            _ => {
                wrong_type(tree, &format!("{what} (a map)"), diagnostics);
                return None;
            }
        };
        Some(Self {
            what,
            tree,
            entries,
            known: Vec::new(),
        })
    }

    /// The value of a key. `None` if it is wrong, or missing and needed.
    pub fn take<T: Decode>(&mut self, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<T> {
        let found = self.entries.iter().position(|entry| entry.0.value == key);
        self.known.push(key.to_owned());
        match found {
            // What may be absent is taken as absent when it is wrong, so that the rest of
            // the record is still looked at; the mistake itself was reported.
            Some(at) => T::decode(&self.entries.remove(at).1, diagnostics).or_else(T::absent),
            None => {
                let value = T::absent();
                if value.is_none() {
                    self.missing(key, diagnostics);
                }
                value
            }
        }
    }

    fn missing(&self, key: &str, diagnostics: &mut Vec<Diagnostic>) {
        // A misspelt key is left over: one report about it is enough.
        let misspelt = self
            .entries
            .iter()
            .any(|(name, _)| nearest(name, [key]).is_some());
        if misspelt {
            return;
        }
        diagnostics.push(
            Diagnostic::error(
                "lab::missing-key",
                format!("`{key}` is missing in {}.", self.what),
                &first_line(&self.tree.place),
                format!("no `{key}`"),
            )
            .help(format!("add `{key}:`")),
        );
    }

    /// Reports the keys that nobody took.
    pub fn close(self, diagnostics: &mut Vec<Diagnostic>) {
        for (key, value) in self.entries {
            let near = nearest(key, self.known.iter().map(String::as_str));
            let all = self.known.join("`, `");
            let help = match near {
                Some(near) => format!("did you mean `{near}`? {} knows `{all}`", self.what),
                // `{ note: one, two }` is a note and a key.
                None if value.value == Value::Null && key.contains(' ') => {
                    "a text with a comma within `{ }` stands in quotes".to_owned()
                }
                None => format!("{} knows `{all}`", self.what),
            };
            diagnostics.push(
                Diagnostic::error(
                    "lab::unknown-key",
                    format!("`{}` is no key of {}.", key.value, self.what),
                    &key.place,
                    "unknown key",
                )
                .help(help),
            );
        }
    }
}

/// A place cut to its start, for things that span many lines.
fn first_line(place: &Place) -> Place {
    Place {
        len: place.len.min(1),
        ..place.clone()
    }
}

impl Decode for String {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => {
                wrong_type(tree, "text", diagnostics);
                None
            }
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

impl Decode for PathBuf {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        String::decode(tree, diagnostics).map(PathBuf::from)
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
}

impl Decode for bool {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::Scalar {
                text,
                quoted: false,
            } if text == "true" => Some(true),
            Value::Scalar {
                text,
                quoted: false,
            } if text == "false" => Some(false),
            _ => {
                wrong_type(tree, "`true` or `false`", diagnostics);
                None
            }
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "boolean" })
    }
}

macro_rules! whole_number {
    ($($type:ty),*) => { $(
        impl Decode for $type {
            fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
                if let Value::Scalar { text, .. } = &tree.value
                    && text.bytes().all(|byte| byte.is_ascii_digit())
                    && let Ok(number) = text.parse()
                {
                    return Some(number);
                }
                let wanted = format!("a whole number from 0 to {}", <$type>::MAX);
                wrong_type(tree, &wanted, diagnostics);
                None
            }
            fn schema() -> serde_json::Value {
                json!({ "type": "integer", "minimum": 0, "maximum": <$type>::MAX })
            }
        }
    )* };
}
whole_number!(u8, u16, u32, u64);

impl<T: Decode> Decode for Spanned<T> {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        T::decode(tree, diagnostics).map(|value| Self {
            value,
            place: tree.place.clone(),
        })
    }
    fn schema() -> serde_json::Value {
        T::schema()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match tree.value {
            Value::Null => Some(None),
            _ => T::decode(tree, diagnostics).map(Some),
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [T::schema(), { "type": "null" }] })
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::Null => Some(Vec::new()),
            // What is wrong with one item was said; the others are still wanted.
            Value::List(items) => Some(
                items
                    .iter()
                    .filter_map(|item| T::decode(item, diagnostics))
                    .collect(),
            ),
            _ => {
                wrong_type(tree, "a list", diagnostics);
                None
            }
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "array", "items": T::schema() })
    }
    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

/// One thing, or a list of such; nothing if absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Many<T>(pub Vec<T>);

impl<T> std::ops::Deref for Many<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Decode> Decode for Many<T> {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::Null | Value::List(_) => Vec::decode(tree, diagnostics).map(Self),
            _ => T::decode(tree, diagnostics).map(|one| Self(vec![one])),
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [T::schema(), { "type": "array", "items": T::schema() }] })
    }
    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// One thing or more; must be written.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<T> std::ops::Deref for OneOrMore<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Decode> Decode for OneOrMore<T> {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::Null => {
                wrong_type(tree, "one or more", diagnostics);
                None
            }
            Value::List(items) if items.is_empty() => {
                wrong_type(tree, "at least one", diagnostics);
                None
            }
            _ => Many::decode(tree, diagnostics).map(|many| Self(many.0)),
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            T::schema(),
            { "type": "array", "items": T::schema(), "minItems": 1 },
        ] })
    }
}

/// Named things in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Map<T>(pub Vec<(Spanned<String>, T)>);

impl<T> std::ops::Deref for Map<T> {
    type Target = Vec<(Spanned<String>, T)>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for Map<T> {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::Null => Some(Self::default()),
            Value::Map(entries) => Some(Self(
                entries
                    .iter()
                    .filter_map(|(key, tree)| Some((key.clone(), T::decode(tree, diagnostics)?)))
                    .collect(),
            )),
            _ => {
                wrong_type(tree, "a map", diagnostics);
                None
            }
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
