//! YAML as a tree in which every part knows its place. Scalars stay text: `.10` is
//! no number and `on` no boolean until somebody asks for one.

use super::Place;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a [`Tree`] can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing was written, or `null`, or `~`.
    Null,
    /// Text as it stands in the file, escapes resolved.
    Scalar {
        /// The text.
        text: String,
        /// It stood in quotes or in a block, so it is text whatever it looks like.
        quoted: bool,
    },
    /// A sequence.
    List(Vec<Tree>),
    /// A mapping, in the order of the file, keys unique.
    Map(Vec<(Spanned<String>, Tree)>),
}

/// Something that remembers where it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spanned<T> {
    /// The thing.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl Tree {
    /// An empty mapping at that place.
    pub fn empty_map(place: Place) -> Self {
        Self {
            place,
            value: Value::Map(Vec::new()),
        }
    }

    /// What it is, for error messages: `a list`, `a map`, `` `text` ``.
    pub fn described(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Scalar { text, .. } if text.chars().count() > 40 => "a long text".into(),
            Value::Scalar { text, .. } => format!("`{}`", text.escape_debug()),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(name, _)| name.value == key)
                .map(|(_, tree)| tree),
            _ => None,
        }
    }
}
