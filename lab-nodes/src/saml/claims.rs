//! What a token says of somebody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::claim_types::{EMAIL, NAME, ROLE, UPN};
use super::instant::Instant;

/// What a verified token says of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The provider's name for itself.
    pub issuer: String,
    /// The subject, by the provider's name for it.
    pub subject: String,
    /// Values by claim type (see [`super::claim_types`]).
    pub values: BTreeMap<String, Vec<String>>,
    /// The token's id.
    pub token: String,
    /// When the provider saw who it is.
    pub authenticated: Instant,
    /// When the token ends.
    pub until: Instant,
}

impl Claims {
    /// All values of a claim type.
    pub fn all(&self, kind: &str) -> &[String] {
        self.values.get(kind).map_or(&[], Vec::as_slice)
    }

    fn first(&self, kind: &str) -> Option<&str> {
        self.all(kind).first().map(String::as_str)
    }

    /// E-mail address.
    pub fn email(&self) -> Option<&str> {
        self.first(EMAIL)
    }

    /// User principal name.
    pub fn upn(&self) -> Option<&str> {
        self.first(UPN)
    }

    /// Roles.
    pub fn roles(&self) -> &[String] {
        self.all(ROLE)
    }

    /// A name for people: the display name, the mail address, or the subject.
    pub fn name(&self) -> &str {
        self.first(NAME)
            .or_else(|| self.email())
            .unwrap_or(&self.subject)
    }
}
