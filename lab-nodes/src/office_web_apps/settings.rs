//! What the running service needs to know, computed from the options and the lab.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    /// The farm's name.
    pub name: String,
    /// Port of the TLS listener.
    pub port: u16,
    /// Hosts it answers for, in lower case: names and addresses of its certificate.
    pub served: Vec<String>,
    /// Names of the hosts whose documents are shown, in lower case.
    pub hosts: Vec<String>,
    /// Addresses of hosts that no name server is asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, SocketAddr>,
    /// The farm's secret, by its name.
    pub secret: String,
    /// Number of the proof key.
    pub proof_key: u32,
}
