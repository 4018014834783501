//! What all sessions share: databases, logins, numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use lab_core::service::Secret;
use ring::digest::{SHA256, digest};

use super::database::{Database, MASTER};
use super::settings::Settings;
use crate::sql_client::{password_of, secret_of};
use crate::tds::login::Login;

/// The first number of a session of a client.
const FIRST_SPID: u16 = 51;

/// A server.
pub(super) struct Server {
    /// Its name: the node's, in capitals, as Windows has it.
    pub name: String,
    databases: Vec<Arc<Database>>,
    master: Arc<Database>,
    settings: RwLock<Arc<Settings>>,
    secrets: BTreeMap<String, Secret>,
    spid: AtomicU16,
}

impl Server {
    /// One that stores in a folder.
    pub fn new(
        node: &str,
        settings: Settings,
        secrets: BTreeMap<String, Secret>,
        store: &Path,
    ) -> Self {
        let databases = settings.databases.iter();
        Self {
            name: node.to_ascii_uppercase(),
            databases: databases
                .map(|name| Arc::new(Database::stored(name, store, settings.longest)))
                .collect(),
            master: Arc::new(Database::master()),
            settings: RwLock::new(Arc::new(settings)),
            secrets,
            spid: AtomicU16::new(FIRST_SPID),
        }
    }

    /// New settings, for logins from now on.
    pub fn change(&self, settings: Settings) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Names of its databases.
    pub fn names(&self) -> Vec<String> {
        self.databases.iter().map(|one| one.name.clone()).collect()
    }

    /// Its databases that are stored.
    pub fn databases(&self) -> &[Arc<Database>] {
        &self.databases
    }

    /// The database of that name; case does not matter.
    pub fn database(&self, name: &str) -> Option<Arc<Database>> {
        if name.eq_ignore_ascii_case(MASTER) {
            return Some(self.master.clone());
        }
        let mut known = self.databases.iter();
        known
            .find(|one| one.name.eq_ignore_ascii_case(name))
            .cloned()
    }

    /// The database that a login begins with.
    pub fn first(&self, asked: &str) -> Option<Arc<Database>> {
        if asked.is_empty() {
            return Some(self.databases.first().unwrap_or(&self.master).clone());
        }
        self.database(asked)
    }

    /// The number of a new session.
    pub fn spid(&self) -> u16 {
        self.spid.fetch_add(1, Ordering::Relaxed).max(FIRST_SPID)
    }

    /// Whether the password is that of the login.
    pub fn admits(&self, login: &Login) -> bool {
        let settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let name = login.user.to_lowercase();
        let wanted = match settings.logins.get(&name) {
            None => None,
            Some(Some(password)) => Some(password.clone()),
            Some(None) => self.secrets.get(&secret_of(&name)).map(password_of),
        };
        // Of equal length, so that the time it takes tells nothing; also for who is unknown.
        let given = digest(&SHA256, login.password.as_bytes());
        let known = digest(&SHA256, wanted.as_deref().unwrap_or_default().as_bytes());
        let differences =
            (given.as_ref().iter().zip(known.as_ref())).fold(0, |all, (a, b)| all | (a ^ b));
        wanted.is_some() && differences == 0
    }
}
