//! Documents in memory: for tests, and for a host that keeps nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use hyper::body::Bytes;

use super::storage::{Document, Lock, Refused, Storage, User};

/// Documents in memory. Everybody may read all of them; who may write is said for each.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<String, Kept>>);

struct Kept {
    name: String,
    writers: Vec<String>,
    versions: Vec<Bytes>,
    lock: Option<Lock>,
}

impl Memory {
    /// Puts a document there, which these users may write.
    pub fn put(&self, file: &str, name: &str, writers: &[&str], content: impl Into<Bytes>) {
        let kept = Kept {
            name: name.to_owned(),
            writers: writers.iter().map(|&id| id.to_owned()).collect(),
            versions: vec![content.into()],
            lock: None,
        };
        self.locked().insert(file.to_owned(), kept);
    }

    /// All versions of a document, the oldest first.
    pub fn versions(&self, file: &str) -> Vec<Bytes> {
        let all = self.locked();
        all.get(file)
            .map_or(Vec::new(), |kept| kept.versions.clone())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        file: &str,
        what: impl FnOnce(&mut Kept) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        what(self.locked().get_mut(file).ok_or(Refused::Missing)?)
    }
}

impl Kept {
    fn version(&self) -> String {
        self.versions.len().to_string()
    }

    fn newest(&self) -> Bytes {
        self.versions.last().cloned().unwrap_or_default()
    }

    fn add(&mut self, content: Bytes) -> String {
        self.versions.push(content);
        self.version()
    }
}

impl Storage for Memory {
    fn describe<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
    ) -> BoxFuture<'a, Result<Document, Refused>> {
        let described = self.with(file, |kept| {
            Ok(Document {
                name: kept.name.clone(),
                size: kept.newest().len() as u64,
                version: kept.version(),
                owner: kept.writers.first().cloned().unwrap_or_default(),
                writable: kept.writers.contains(&user.id),
                page: None,
            })
        });
        ready(described).boxed()
    }

    fn read<'a>(
        &'a self,
        file: &'a str,
        _user: &'a User,
    ) -> BoxFuture<'a, Result<(String, Bytes), Refused>> {
        ready(self.with(file, |kept| Ok((kept.version(), kept.newest())))).boxed()
    }

    fn write<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
        lock: Option<&'a str>,
        content: Bytes,
    ) -> BoxFuture<'a, Result<String, Refused>> {
        let written = self.with(file, |kept| {
            if !kept.writers.contains(&user.id) {
                return Err(Refused::Forbidden);
            }
            let now = SystemTime::now();
            match kept.lock.as_ref().filter(|there| there.holds(now)) {
                Some(there) if Some(&*there.id) != lock => Err(Refused::Locked(there.id.clone())),
                _ => Ok(kept.add(content)),
            }
        });
        ready(written).boxed()
    }

    fn create<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
        name: &'a str,
        replace: bool,
        content: Bytes,
    ) -> BoxFuture<'a, Result<String, Refused>> {
        let mut all = self.locked();
        let there = all
            .iter()
            .find_map(|(file, kept)| (kept.name == name).then(|| file.clone()));
        let created = match (all.contains_key(file), there) {
            (false, _) => Err(Refused::Missing),
            (_, Some(_)) if !replace => Err(Refused::Taken),
            (_, Some(there)) => {
                if let Some(kept) = all.get_mut(&there) {
                    kept.add(content);
                }
                Ok(there)
            }
            (_, None) => {
                let id = format!("new-{}", all.len());
                let kept = Kept {
                    name: name.to_owned(),
                    writers: vec![user.id.clone()],
                    versions: vec![content],
                    lock: None,
                };
                all.insert(id.clone(), kept);
                Ok(id)
            }
        };
        ready(created).boxed()
    }

    fn lock<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<Option<Lock>, Refused>> {
        ready(self.with(file, |kept| Ok(kept.lock.clone()))).boxed()
    }

    fn swap_lock<'a>(
        &'a self,
        file: &'a str,
        seen: Option<&'a Lock>,
        new: Option<&'a Lock>,
    ) -> BoxFuture<'a, Result<bool, Refused>> {
        let swapped = self.with(file, |kept| {
            let same = kept.lock.as_ref() == seen;
            if same {
                kept.lock = new.cloned();
            }
            Ok(same)
        });
        ready(swapped).boxed()
    }
}
