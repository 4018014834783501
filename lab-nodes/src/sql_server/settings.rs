//! What the running service needs to know, computed from the options and the lab.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    /// Its port.
    pub port: u16,
    /// Most bytes of each database.
    pub longest: u64,
    /// Its databases.
    pub databases: Vec<String>,
    /// Passwords by login; none: it is the secret of that login.
    pub logins: BTreeMap<String, Option<String>>,
}
