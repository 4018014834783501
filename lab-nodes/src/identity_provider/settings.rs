//! What the running service needs to know, computed from the options and the lab.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::saml::Instant;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    /// Port of the TLS listener.
    pub port: u16,
    /// Hosts it answers for, in lower case.
    pub hosts: Vec<String>,
    /// What people call it.
    pub title: String,
    /// Its name for itself in tokens.
    pub issuer: String,
    /// Where people log in (https).
    pub sign_in: String,
    /// The sites that it makes tokens for.
    pub relying_parties: Vec<RelyingParty>,
    /// People by their mail addresses, in lower case.
    pub users: BTreeMap<String, User>,
    /// Seconds.
    pub token_lifetime: u64,
    /// Seconds.
    pub session_lifetime: u64,
    /// Seconds that its clock is ahead; negative: behind.
    #[serde(default)]
    pub clock_error: i64,
}

impl Settings {
    /// What its clock says.
    pub fn now(&self) -> Instant {
        let now = Instant::new(SystemTime::now());
        let error = Duration::from_secs(self.clock_error.unsigned_abs());
        if self.clock_error < 0 {
            now.before(error)
        } else {
            now.after(error)
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RelyingParty {
    pub realm: String,
    pub replies: Vec<String>,
    pub name: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    pub password: String,
    /// Values by claim type.
    pub claims: BTreeMap<String, Vec<String>>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}
