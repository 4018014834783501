//! What all connections share.

use std::sync::{Arc, PoisonError, RwLock};

use super::extension::Extension;
use super::sasl::Mechanism;
use super::tree::{Abilities, Contents, Tree};
use super::{controls, extended};
use crate::domain_controller::Accounts;

/// What is in the directory.
#[derive(Debug)]
pub struct Directory {
    /// What its tree is made of.
    pub contents: Contents,
    /// Its tree.
    pub tree: Tree,
}

impl Directory {
    /// With these contents.
    pub fn new(contents: Contents) -> Self {
        Self {
            tree: Tree::new(&contents),
            contents,
        }
    }
}

/// A directory and how clients log in to it.
pub struct Server {
    directory: RwLock<Arc<Directory>>,
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// What it can do, as its root entry says.
    pub abilities: Abilities,
    /// Passwords are taken outside TLS, too, as AD takes them unless told otherwise.
    pub plain_passwords: bool,
    mechanisms: Vec<(&'static str, Arc<dyn Mechanism>)>,
    extensions: Vec<Arc<dyn Extension>>,
}

/// NTLM, for Sicily ([MS-ADTS] §5.1.1.1.3): not a mechanism of SASL, and not listed among them.
pub const SICILY: &str = "NTLM";

impl Server {
    /// Of this directory, whose clients log in by passwords.
    pub fn new(directory: Directory, accounts: Arc<Accounts>) -> Self {
        let abilities = Abilities {
            controls: controls::known(),
            extensions: extended::OWN.to_vec(),
            mechanisms: Vec::new(),
        };
        Self {
            directory: RwLock::new(Arc::new(directory)),
            accounts,
            abilities,
            plain_passwords: true,
            mechanisms: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// The directory as it is now.
    pub fn directory(&self) -> Arc<Directory> {
        // Whatever panicked with the lock held left a whole directory behind.
        Arc::clone(
            &self
                .directory
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// It is another one from now on; searches that are running end in the one they began in.
    pub fn replace(&self, directory: Directory) {
        let mut current = self
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(directory);
    }

    /// Also lets clients log in by this mechanism.
    #[must_use]
    pub fn with_mechanism(mut self, name: &'static str, mechanism: Arc<dyn Mechanism>) -> Self {
        if name != SICILY {
            self.abilities.mechanisms.push(name);
        }
        self.mechanisms.push((name, mechanism));
        self
    }

    /// Also answers this extended operation.
    #[must_use]
    pub fn with_extension(mut self, extension: Arc<dyn Extension>) -> Self {
        self.abilities.extensions.push(extension.oid());
        self.extensions.push(extension);
        self
    }

    /// The mechanism of a name.
    pub fn mechanism(&self, name: &str) -> Option<&dyn Mechanism> {
        let mut all = self.mechanisms.iter();
        let found = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, mechanism)| mechanism.as_ref())
    }

    /// The extended operation of an identifier.
    pub fn extension(&self, oid: &str) -> Option<&dyn Extension> {
        let mut all = self.extensions.iter();
        let found = all.find(|extension| extension.oid() == oid);
        found.map(AsRef::as_ref)
    }
}
