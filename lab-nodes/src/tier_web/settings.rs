//! What the running service needs to know, computed from the options and the lab.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::login::Login;
use crate::ws_federation::RelyingPartySettings;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    /// What people call the tier this node belongs to.
    pub tier: String,
    /// Port of the TLS listener.
    pub port: u16,
    /// Hosts it answers for, in lower case: names and addresses of its certificate.
    pub hosts: Vec<String>,
    /// Tiers that must answer.
    pub asks: Vec<Ask>,
    /// Names of the peers that may ask, one of which the client's certificate must carry;
    /// empty: any node of the lab. None: everybody may, and no certificate is asked for.
    pub only_from: Option<Vec<String>>,
    /// How people log in. None: nobody is asked who they are.
    #[serde(default)]
    pub login: Option<Login>,
    /// What is for people alone who signed in, and how they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
}

/// Signing in by WS-Federation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SignIn {
    /// The host.
    pub host: String,
    /// The path, with all below it; empty: the whole host.
    pub below: String,
    /// Whom it trusts.
    pub party: RelyingPartySettings,
}

/// A tier that must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Ask {
    /// The name in the options, key of the peers.
    pub name: String,
    /// What people call that tier.
    pub tier: String,
    /// Its port.
    pub port: u16,
    /// How long one member may take: a second for each tier that stands below it.
    pub patience: Duration,
}
