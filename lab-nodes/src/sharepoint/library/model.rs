//! What there is.

use serde_json::{Map, Value};

use crate::sharepoint::path::{PathError, ServerPath};
use crate::sql_client::SqlError;

/// A site.
#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    pub id: i64,
    pub guid: String,
    /// Host of its web application.
    pub application: String,
    pub path: ServerPath,
    pub title: String,
    pub created: String,
    /// Claims of who may read.
    pub readers: Vec<String>,
    /// Claims of who may change.
    pub writers: Vec<String>,
}

/// A list or a library.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    pub id: i64,
    pub guid: String,
    pub web: i64,
    pub title: String,
    /// Its root folder.
    pub path: ServerPath,
    /// 100: a list; 101: a library of documents; 104: announcements.
    pub template: i64,
    pub created: String,
    /// How many items it has.
    pub items: i64,
}

impl List {
    /// Whether it holds documents.
    pub fn is_library(&self) -> bool {
        self.template == 101
    }
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    /// Of a list.
    Entry,
}

impl Kind {
    pub fn number(self) -> i64 {
        match self {
            Self::File => 0,
            Self::Folder => 1,
            Self::Entry => 2,
        }
    }

    pub fn of(number: i64) -> Self {
        match number {
            0 => Self::File,
            1 => Self::Folder,
            _ => Self::Entry,
        }
    }
}

/// A file, a folder, or an entry of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: i64,
    pub guid: String,
    pub list: i64,
    pub kind: Kind,
    pub path: ServerPath,
    pub title: String,
    /// Fields of an entry; properties that WebDAV clients gave a file.
    pub fields: Map<String, Value>,
    pub author: String,
    pub author_name: String,
    pub editor: String,
    pub editor_name: String,
    pub created: String,
    pub modified: String,
    /// Grows with each change of the content, from 1.
    pub version: i64,
    /// Grows with each change of anything, from 1.
    pub revision: i64,
    pub size: i64,
}

impl Item {
    /// Its entity tag (RFC 9110 §8.8.3), as SharePoint writes one of a file.
    pub fn etag(&self) -> String {
        match self.kind {
            Kind::Entry => format!("\"{}\"", self.revision),
            Kind::File | Kind::Folder => {
                format!("\"{{{}}},{}\"", self.guid.to_uppercase(), self.revision)
            }
        }
    }
}

/// A version of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub version: i64,
    pub size: i64,
    pub editor_name: String,
    pub modified: String,
    pub current: bool,
}

/// A file that is stored.
#[derive(Clone, Debug)]
pub struct NewFile<'a> {
    pub content: &'a [u8],
    /// Login name and name of who stores it.
    pub by: (&'a str, &'a str),
    pub overwrite: bool,
    pub expected: Expected,
    /// Names of the locks that who stores it holds.
    pub tokens: &'a [String],
}

/// What somebody expects to be there (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// One of these tags; `*`: anything.
    pub matching: Option<Vec<String>>,
    /// None of these; `*`: nothing at all.
    pub none_matching: Option<Vec<String>>,
}

impl Expected {
    /// Whether what is there is what was expected.
    pub fn holds(&self, there: Option<&str>) -> bool {
        let weak = |tag: &str| tag.trim_start_matches("W/").to_owned();
        let among = |tags: &[String]| {
            there.is_some_and(|there| {
                tags.iter()
                    .any(|tag| tag == "*" || weak(tag).eq_ignore_ascii_case(there))
            })
        };
        self.matching.as_deref().is_none_or(among)
            && !self.none_matching.as_deref().is_some_and(among)
    }
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the content database fails: {0}")]
    Database(#[from] SqlError),
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("there is no {0} here")]
    Missing(&'static str),
    #[error("something of that name is there already")]
    Exists,
    #[error("the place for it is not there")]
    NoPlace,
    #[error("it was changed by somebody else")]
    Changed,
    #[error("it is locked by {0}")]
    Locked(String),
    #[error("this can't be done with it: {0}")]
    Impossible(&'static str),
    #[error("the system gives no random numbers")]
    NoRandomNumbers,
}

#[cfg(test)]
mod tests {
    use super::Expected;

    #[test]
    fn what_is_expected_is_what_rfc_9110_says() {
        let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
        let expected = |matching, none_matching| Expected {
            matching,
            none_matching,
        };
        assert!(expected(None, None).holds(None));
        assert!(expected(tags(&["*"]), None).holds(Some("\"1\"")));
        assert!(!expected(tags(&["*"]), None).holds(None));
        assert!(expected(tags(&["\"2\"", "\"1\""]), None).holds(Some("\"1\"")));
        assert!(!expected(tags(&["\"2\""]), None).holds(Some("\"1\"")));
        assert!(expected(None, tags(&["*"])).holds(None));
        assert!(!expected(None, tags(&["W/\"1\""])).holds(Some("\"1\"")));
    }
}
