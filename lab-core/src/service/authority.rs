//! What a service gets that speaks for the lab's certificate authority.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Credential;

/// The issuing CA, and what it has issued.
#[derive(Debug)]
pub struct Authority {
    /// The issuing CA's certificate, without the root's, and its key.
    pub issuing: Arc<Credential>,
    /// The root's revocation list, DER. The root's key stays away from the network: its list is
    /// made when the lab comes up.
    pub root_list: Vec<u8>,
    /// What was issued in this run of the lab. Empty until it is told for the first time, which
    /// comes first of all; changes arrive while the service runs.
    pub issued: watch::Receiver<Vec<Issued>>,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Its serial number, big-endian, positive, at most 20 bytes (RFC 5280 §4.1.2.2).
    pub serial: Vec<u8>,
    /// The node it was issued to.
    pub node: String,
    /// Its name there.
    pub id: String,
    /// When it was revoked, in seconds since 1970; none while it is good.
    pub revoked: Option<i64>,
}
