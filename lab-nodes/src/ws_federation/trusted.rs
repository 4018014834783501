//! What a relying party knows of itself and of those it trusts; carried in the settings of a service.

use lab_core::check::Lab;
use serde::{Deserialize, Serialize};

use crate::identity_provider;
use crate::saml::SignedBy;

/// A provider that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrustedProvider {
    /// What people call it: the node's name, unless its options say otherwise.
    pub name: String,
    /// What it calls itself in its tokens.
    pub issuer: String,
    /// Where people log in (https).
    pub sign_in: String,
    /// Whose signature its tokens carry.
    pub signed_by: SignedBy,
}

impl TrustedProvider {
    /// The identity provider of a node.
    ///
    /// # Errors
    /// There is no such node, or it runs none: a sentence.
    pub fn of(lab: &Lab, node: &str) -> Result<Self, String> {
        identity_provider::trusted(lab, node)
    }
}

/// A relying party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RelyingPartySettings {
    /// Its name for itself, the audience of its tokens (`urn:sharepoint:partnerweb`).
    pub realm: String,
    /// Where tokens are sent to (`https://partnerweb.contoso.com/_trust/`).
    pub reply: String,
    /// Whom it trusts.
    pub providers: Vec<TrustedProvider>,
    /// How far clocks may differ, in seconds.
    pub skew: u64,
}

impl RelyingPartySettings {
    /// With the usual tolerance of clocks.
    pub fn new(realm: &str, reply: &str, providers: Vec<TrustedProvider>) -> Self {
        Self {
            realm: realm.to_owned(),
            reply: reply.to_owned(),
            providers,
            skew: 30,
        }
    }
}
