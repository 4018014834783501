//! From a client's first token to who it is.

use super::gss::{ChannelBinding, SecurityContext};
use super::{Keytab, Principal};
use crate::kerberos::crypto::Etype;

/// Accepts logins for the services whose keys it holds.
pub struct Acceptor {
    keytab: Keytab,
}

/// A login that held.
#[derive(Debug)]
pub struct Accepted {
    /// Who.
    pub client: Principal,
    /// The service that the ticket is for.
    pub service: Principal,
    /// Encryption type of the ticket.
    pub etype: Etype,
    /// What goes back to the client, framed as the token that came was; none where the client did
    /// not ask for mutual authentication.
    pub reply: Option<Vec<u8>>,
    /// Signs and seals messages from now on.
    pub context: SecurityContext,
}

/// A login that did not.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejected {
    /// Why, a sentence.
    pub reason: String,
    /// What goes back to the client (a KRB-ERROR), where the protocol has a word for it.
    pub reply: Option<Vec<u8>>,
}

impl Acceptor {
    /// With the keys of a keytab.
    pub fn new(keytab: Keytab) -> Self {
        Self { keytab }
    }

    /// From the client's token: a GSS-API initial token of Kerberos (as it is, or as SPNEGO
    /// carries it), or a bare AP-REQ. `binding` is that of the channel it came over: a client that
    /// sends one must send this one.
    ///
    /// # Errors
    /// Why the login does not hold.
    pub fn accept(
        &self,
        _token: &[u8],
        _binding: Option<&ChannelBinding>,
    ) -> Result<Accepted, Rejected> {
        let _ = &self.keytab;
        Err(Rejected {
            reason: "not yet".into(),
            reply: None,
        })
    }
}
