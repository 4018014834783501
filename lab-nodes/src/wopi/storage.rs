//! What a host keeps: documents and the locks on them.

use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};

/// How long a lock holds unless it is refreshed ([MS-WOPI] §3.3.5.1.3).
pub const LOCK_HOLDS: Duration = Duration::from_secs(30 * 60);

/// Somebody on whose behalf a document is read or written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name that the host knows them by (`CONTOSO\alice`); the same in every token.
    pub id: String,
    /// What people call them.
    pub name: String,
    /// What the host opens documents to that is theirs: groups, and the like.
    #[serde(default)]
    pub claims: Vec<String>,
}

/// What is known of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name with extension, without a path.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Changes with its content, and never comes back.
    pub version: String,
    /// [`User::id`] of its owner.
    pub owner: String,
    /// Whether this user may write it.
    pub writable: bool,
    /// The host's page of it, an absolute URL.
    pub page: Option<String>,
}

/// A lock on a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The lock's name, which its client chose; at most 1,024 bytes of ASCII.
    pub id: String,
    /// Until when it holds.
    pub until: SystemTime,
}

impl Lock {
    /// Whether it holds at that time.
    pub fn holds(&self, now: SystemTime) -> bool {
        now < self.until
    }
}

/// Why a host's storage did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such document, or this user may not know of it.
    #[error("there is no such document")]
    Missing,
    /// The user may not do this.
    #[error("the user may not do this")]
    Forbidden,
    /// Another lock is on it: its name, empty where it is no WOPI client's.
    #[error("another lock is on the document")]
    Locked(String),
    /// A name that can't be given.
    #[error("no document can have that name")]
    Name,
    /// A document of that name is there.
    #[error("a document of that name is there")]
    Taken,
    /// It is too large for the host.
    #[error("the document is too large")]
    TooLarge,
    /// The host is in trouble: a sentence for its log.
    #[error("{0}")]
    Trouble(String),
}

/// The documents of a host. `file` is the host's own identifier of one, as it stands in a WOPISrc:
/// any text of at most 512 bytes. The locks are asked for by every front end of a farm, so they
/// stand where all of them look.
pub trait Storage: Send + Sync + 'static {
    /// What is known of a document.
    fn describe<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
    ) -> BoxFuture<'a, Result<Document, Refused>>;

    /// Its newest version and content.
    fn read<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
    ) -> BoxFuture<'a, Result<(String, Bytes), Refused>>;

    /// Saves a new version, whose name it gives. Refused where a lock other than `lock` holds
    /// at that moment: the look at the lock and the write are one step.
    fn write<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
        lock: Option<&'a str>,
        content: Bytes,
    ) -> BoxFuture<'a, Result<String, Refused>>;

    /// Makes a document beside `file`, and gives its identifier. With `replace` one of that name
    /// gets a new version.
    fn create<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
        name: &'a str,
        replace: bool,
        content: Bytes,
    ) -> BoxFuture<'a, Result<String, Refused>>;

    /// The lock on a document, also one that holds no longer.
    fn lock<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<Option<Lock>, Refused>>;

    /// Puts `new` in the place of `seen`; false if something else stands there by now.
    fn swap_lock<'a>(
        &'a self,
        file: &'a str,
        seen: Option<&'a Lock>,
        new: Option<&'a Lock>,
    ) -> BoxFuture<'a, Result<bool, Refused>>;
}
