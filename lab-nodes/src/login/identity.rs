use std::fmt;

use serde::{Deserialize, Serialize};

use crate::directory::Person;

use super::Unavailable;

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A Kerberos ticket, by Negotiate.
    Negotiate,
    /// NTLM, alone or by Negotiate.
    Ntlm,
    /// Name and password in the request.
    Basic,
    /// Name and password in a form.
    Forms,
}

impl Method {
    /// The word for it in spans, logs and expectations.
    pub fn word(self) -> &'static str {
        match self {
            Self::Negotiate => "negotiate",
            Self::Ntlm => "ntlm",
            Self::Basic => "basic",
            Self::Forms => "forms",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Somebody who logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who.
    pub person: Person,
    /// How.
    pub method: Method,
    /// The proof that held, for people: a ticket's service and cipher, an NTLM session.
    pub proof: String,
}

/// Why a login did not come to an identity.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The proof does not hold. The reason is for the log; a client learns nothing of it.
    #[error("{0}")]
    Refused(String),
    /// Nobody who could say is there.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
