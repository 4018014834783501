//! The accounts of the domain: one store for every protocol that verifies a login, so that a
//! disabled account is disabled for all of them and wrong passwords are counted together.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use lab_core::service::Secret;

use super::settings::Settings;
use crate::directory::{Account, Domain, Kind, Person, State};
use crate::kerberos::crypto::{Etype, Key};

/// The account of the ticket-granting service.
pub const KRBTGT: &str = "krbtgt";

/// When wrong passwords lock an account ([MS-ADA1] lockoutThreshold, lockOutObservationWindow and
/// lockoutDuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// So many lock it; 0: none do.
    pub threshold: u32,
    /// Those older than this no longer count.
    pub window: Duration,
    /// It stays locked for so long.
    pub duration: Duration,
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such account.
    #[error("there is no such account")]
    Unknown,
    /// The proof does not hold.
    #[error("the password is wrong")]
    WrongPassword,
    /// Too many wrong passwords.
    #[error("the account is locked after too many wrong passwords")]
    Locked,
    /// The account was disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The account's last day is over.
    #[error("the account has expired")]
    Expired,
    /// The password must be changed first.
    #[error("the password has expired")]
    PasswordExpired,
}

/// All accounts.
pub struct Accounts {
    /// The domain.
    pub domain: Domain,
    book: RwLock<Arc<Book>>,
}

/// What the settings of the service say.
struct Book {
    entries: Vec<Arc<Entry>>,
    /// Logon names in small letters → place in `entries`.
    names: HashMap<String, usize>,
    /// Service principal names in small letters, without realm → place in `entries`.
    principals: HashMap<String, usize>,
    lockout: Lockout,
}

/// An account with its keys and what befell it.
pub struct Entry {
    /// The account.
    pub account: Account,
    secret: Option<Secret>,
    realm: String,
    /// Keys in the order of [`Etype::ALL`], made when they are first asked for.
    keys: [OnceLock<Key>; Etype::ALL.len()],
    failures: Mutex<Failures>,
}

/// How logging in to an account went lately, in wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// Wrong passwords that count.
    pub wrong: u32,
    /// When the last of them came.
    pub last_wrong: Option<SystemTime>,
    /// Since when it is locked.
    pub locked_since: Option<SystemTime>,
}

/// Wrong passwords of late.
#[derive(Debug, Default)]
struct Failures {
    at: Vec<Instant>,
    last: Option<SystemTime>,
    locked_at: Option<SystemTime>,
    locked_until: Option<Instant>,
}

impl Accounts {
    /// From the settings of the service and the secrets of its service accounts.
    ///
    /// # Errors
    /// The name of an account whose secret is missing.
    pub fn new(settings: &Settings, secrets: &BTreeMap<String, Secret>) -> Result<Self, String> {
        Ok(Self {
            domain: settings.domain.clone(),
            book: RwLock::new(Arc::new(Book::new(settings, secrets, &[])?)),
        })
    }

    /// Takes other settings. What befell the accounts that stay as they are is kept.
    ///
    /// # Errors
    /// The name of an account whose secret is missing; the settings are not taken then.
    pub fn replace(
        &self,
        settings: &Settings,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<(), String> {
        let book = Arc::new(Book::new(settings, secrets, &self.book().entries)?);
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = book;
        Ok(())
    }

    fn book(&self) -> Arc<Book> {
        // Whatever panicked with the lock held left a whole book behind.
        Arc::clone(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// By a logon name in any case: `alice`, `CONTOSO\alice`, `corp.contoso.com\alice`,
    /// `alice@CORP.CONTOSO.COM`, the mail address, a service principal name.
    pub fn find(&self, name: &str) -> Option<Arc<Entry>> {
        let name = match name.split_once('\\') {
            Some((domain, name)) if self.is_own(domain) => name,
            Some(_) => return None,
            None => name,
        };
        let book = self.book();
        let lower = name.to_lowercase();
        let place = book
            .names
            .get(&lower)
            .or_else(|| book.principals.get(&lower))?;
        book.entries.get(*place).cloned()
    }

    /// By a service principal name in any case, without realm (`HTTP/intranet.example.com`).
    pub fn by_principal(&self, name: &str) -> Option<Arc<Entry>> {
        let book = self.book();
        let place = book.principals.get(&name.to_lowercase())?;
        book.entries.get(*place).cloned()
    }

    /// Whether this is a name of the domain: NetBIOS or DNS name, in any case.
    pub fn is_own(&self, domain: &str) -> bool {
        domain.eq_ignore_ascii_case(&self.domain.netbios)
            || domain.eq_ignore_ascii_case(&self.domain.realm)
    }

    /// All of them, users first.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.book().entries.clone()
    }

    /// Verifies a password: what a simple bind of LDAP or HTTP Basic brings.
    ///
    /// # Errors
    /// Why the login is refused. A wrong password has been counted; that a password must be
    /// changed is told only to who knows it.
    pub fn verify(&self, name: &str, password: &str) -> Result<Person, Refusal> {
        let entry = self.find(name).ok_or(Refusal::Unknown)?;
        self.judge(&entry, |entry| entry.has_password(password))?;
        Ok(entry.account.person.clone())
    }

    /// Verifies any proof of an account's password: the account's state before, the proof, and its
    /// count after.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn judge(&self, entry: &Entry, proof: impl FnOnce(&Entry) -> bool) -> Result<(), Refusal> {
        self.admits(entry)?;
        if !proof(entry) {
            self.failed(entry);
            return Err(Refusal::WrongPassword);
        }
        self.succeeded(entry);
        match entry.account.state {
            State::PasswordExpired => Err(Refusal::PasswordExpired),
            _ => Ok(()),
        }
    }

    /// Whether the account may log in at all.
    ///
    /// # Errors
    /// It is disabled, expired or locked.
    pub fn admits(&self, entry: &Entry) -> Result<(), Refusal> {
        match entry.account.state {
            State::Disabled => Err(Refusal::Disabled),
            State::Expired => Err(Refusal::Expired),
            State::Active | State::PasswordExpired if entry.is_locked() => Err(Refusal::Locked),
            State::Active | State::PasswordExpired => Ok(()),
        }
    }

    /// Counts a wrong password.
    pub fn failed(&self, entry: &Entry) {
        let now = Instant::now();
        let Lockout {
            threshold,
            window,
            duration,
        } = self.book().lockout;
        if threshold == 0 {
            return;
        }
        let mut failures = entry.failures();
        failures.at.retain(|at| now.duration_since(*at) < window);
        failures.at.push(now);
        failures.last = Some(SystemTime::now());
        if failures.at.len() >= threshold as usize {
            tracing::warn!(
                "{} is locked for {} s: {threshold} wrong passwords within {} s",
                entry.account.person.account,
                duration.as_secs(),
                window.as_secs(),
            );
            failures.locked_at = Some(SystemTime::now());
            failures.locked_until = now.checked_add(duration);
        }
    }

    /// Forgets the wrong passwords of an account that proved itself.
    pub fn succeeded(&self, entry: &Entry) {
        entry.failures().at.clear();
    }
}

impl Book {
    fn new(
        settings: &Settings,
        secrets: &BTreeMap<String, Secret>,
        before: &[Arc<Entry>],
    ) -> Result<Self, String> {
        let realm = &settings.domain.realm;
        let granting = Account {
            person: Person {
                account: KRBTGT.into(),
                name: KRBTGT.into(),
                // [MS-DTYP] §2.4.2.4: the same in every domain.
                rid: 502,
                ..Person::default()
            },
            kind: Kind::Service {
                principals: vec![format!("{KRBTGT}/{realm}")],
            },
            state: State::Active,
        };
        let mut book = Self {
            entries: Vec::new(),
            names: HashMap::new(),
            principals: HashMap::new(),
            lockout: settings.lockout(),
        };
        for account in settings.accounts.iter().chain([&granting]) {
            let name = &account.person.account;
            let secret = match &account.kind {
                Kind::User { .. } => None,
                Kind::Service { .. } => {
                    let secret = secrets.get(&Domain::secret_of(name));
                    Some(secret.ok_or_else(|| name.clone())?)
                }
            };
            let as_before = before.iter().find(|entry| {
                entry.account == *account
                    && entry.secret.as_ref() == secret
                    && entry.realm == *realm
            });
            let entry = as_before.cloned().unwrap_or_else(|| {
                Arc::new(Entry {
                    account: account.clone(),
                    secret: secret.cloned(),
                    realm: realm.clone(),
                    keys: Default::default(),
                    failures: Mutex::default(),
                })
            });
            book.add(entry);
        }
        Ok(book)
    }

    fn add(&mut self, entry: Arc<Entry>) {
        let place = self.entries.len();
        let person = &entry.account.person;
        let upn = format!("{}@{}", person.account, entry.realm);
        for name in [&person.account, &upn].into_iter().chain(&person.mail) {
            self.names.entry(name.to_lowercase()).or_insert(place);
        }
        if let Kind::Service { principals } = &entry.account.kind {
            for principal in principals {
                self.principals.insert(principal.to_lowercase(), place);
            }
        }
        self.entries.push(entry);
    }
}

impl Entry {
    /// Who it is.
    pub fn person(&self) -> &Person {
        &self.account.person
    }

    /// The password; none for a service account.
    pub fn password(&self) -> Option<&str> {
        match &self.account.kind {
            Kind::User { password } => Some(password),
            Kind::Service { .. } => None,
        }
    }

    /// Whether this is the password. Counts nothing: see [`Accounts::verify`].
    pub fn has_password(&self, password: &str) -> bool {
        // Hashes take the same time wherever two passwords part.
        let hash = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        self.password()
            .is_some_and(|own| hash(own).as_ref() == hash(password).as_ref())
    }

    /// What its keys are salted with ([MS-KILE] §3.1.1.2): realm and account name.
    pub fn salt(&self) -> String {
        format!("{}{}", self.realm, self.account.person.account)
    }

    /// Its long-term key of a type.
    pub fn key(&self, etype: Etype) -> &Key {
        let at = Etype::ALL.iter().position(|one| *one == etype);
        let place = &self.keys[at.unwrap_or_default()];
        place.get_or_init(|| match (&self.account.kind, &self.secret) {
            (Kind::User { password }, _) => Key::of_password(etype, password, &self.salt()),
            (Kind::Service { .. }, Some(secret)) => Key::of_secret(etype, secret),
            // `Accounts::new` gives every service its secret; a key that nobody has opens nothing.
            (Kind::Service { .. }, None) => Key::random(etype),
        })
    }

    /// Whether wrong passwords have locked it.
    pub fn is_locked(&self) -> bool {
        let mut failures = self.failures();
        match failures.locked_until {
            Some(until) if Instant::now() < until => true,
            Some(_) => {
                failures.locked_until = None;
                failures.at.clear();
                false
            }
            None => false,
        }
    }

    /// How logging in went lately.
    pub fn lately(&self) -> Lately {
        let locked = self.is_locked();
        let failures = self.failures();
        Lately {
            wrong: u32::try_from(failures.at.len()).unwrap_or(u32::MAX),
            last_wrong: failures.last,
            locked_since: failures.locked_at.filter(|_| locked),
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        // Whatever panicked with the lock held left a whole list behind.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The secrets that a domain controller asks for: those of every service account.
pub(super) fn secrets(accounts: &[Account]) -> Vec<String> {
    let services = accounts.iter().filter_map(|account| match account.kind {
        Kind::Service { .. } => Some(account.person.account.as_str()),
        Kind::User { .. } => None,
    });
    services.chain([KRBTGT]).map(Domain::secret_of).collect()
}
