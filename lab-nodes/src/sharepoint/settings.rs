//! What a running front end needs to know, computed from the options and the lab.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::options::SignIn;
use super::password::Hashed;
use crate::login::Login;
use crate::sql_client::Source;
use crate::ws_federation::RelyingPartySettings;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    /// The content database.
    pub content: Source,
    /// Web applications by host names, in lower case.
    pub applications: BTreeMap<String, Application>,
    /// Where Windows logins are verified; none: no web application offers them.
    pub login: Option<Login>,
    /// Accounts that only this farm knows, by their names in lower case.
    pub accounts: BTreeMap<String, Account>,
    /// Groups of people by the trusted provider's name.
    pub trusted: BTreeMap<String, Vec<String>>,
    /// The search tier is among the peers.
    pub search: bool,
    /// The tier that works jobs off is among the peers.
    pub batch: bool,
    /// Host of the Office Web Apps farm.
    pub office_web_apps: Option<String>,
    /// Largest file, in bytes.
    pub upload_limit: usize,
    /// How long a login lasts, in seconds.
    pub session_lifetime: u64,
}

/// A web application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Application {
    pub host: String,
    pub title: String,
    pub sign_in: Vec<SignIn>,
    pub readers: Vec<String>,
    pub writers: Vec<String>,
    pub personal: bool,
    /// Itself towards trusted providers.
    pub relying_party: Option<RelyingPartySettings>,
}

/// An account that only this farm knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Account {
    pub name: String,
    pub password: Hashed,
    pub groups: Vec<String>,
}

impl Application {
    /// Whether people may sign in to it this way.
    pub fn offers(&self, way: SignIn) -> bool {
        self.sign_in.contains(&way)
    }
}
