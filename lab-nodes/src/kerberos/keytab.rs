//! The long-term keys that a server holds: those of the accounts that its node runs under.

use std::collections::{BTreeMap, HashMap};

use lab_core::service::Secret;

use super::crypto::{Etype, Key};
use crate::directory::{Domain, Membership};

/// Keys by service principal name.
#[derive(Clone, Debug, Default)]
pub struct Keytab {
    realm: String,
    /// Service principal names and account names in small letters, without realm.
    keys: HashMap<String, [Key; Etype::ALL.len()]>,
}

impl Keytab {
    /// From what the node is in the domain, and the secrets that its set-up asked for
    /// ([`Membership::secrets`]).
    pub fn new(membership: &Membership, secrets: &BTreeMap<String, Secret>) -> Self {
        let mut keys = HashMap::new();
        for (account, principals) in &membership.accounts {
            let Some(secret) = secrets.get(&Domain::secret_of(account)) else {
                continue;
            };
            let of_account = Etype::ALL.map(|etype| Key::of_secret(etype, secret));
            for principal in principals.iter().chain([account]) {
                keys.insert(principal.to_lowercase(), of_account.clone());
            }
        }
        Self {
            realm: membership.domain.realm.clone(),
            keys,
        }
    }

    /// The realm that its principals are in.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Whether there is no key in it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of a service principal name (any case, without realm), of a type.
    pub fn key(&self, principal: &str, etype: Etype) -> Option<&Key> {
        let keys = self.keys.get(&principal.to_lowercase())?;
        keys.iter().find(|key| key.etype() == etype)
    }
}
