//! What a member server asks a domain controller, and what it is told.
//!
//! It travels as an extended operation of LDAP (RFC 4511 §4.12) over TLS in which both sides show
//! their certificates: the controller answers nodes of the lab and nobody else, since a verdict
//! carries the key of an NTLM session. The request's name is [`OID`], its value a [`Question`] in
//! JSON; the answer's value is a [`Verdict`] in JSON, its result code `success` whatever the
//! verdict. A question that can't be read is answered with `protocolError`, one from a client
//! without a node's certificate with `insufficientAccessRights`.

use std::fmt;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::directory::Person;

/// Name of the extended operation: below 2.25 stands what needs no registration (ITU-T X.667).
pub const OID: &str = "2.25.194507402816342110398712360937115201393";

/// Longest question or verdict, in bytes.
pub const LONGEST: usize = 64 << 10;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Question {
    /// Whether this answers that challenge (NTLMv2, [MS-NLMP] §3.3.2).
    Ntlm {
        /// Name, as the client sent it.
        user: String,
        /// Domain, as the client sent it.
        domain: String,
        /// The challenge.
        challenge: Bytes,
        /// NTProofStr, and what it is made over.
        response: Bytes,
    },
    /// Whether this is the account's password.
    Password {
        /// `alice`, `CONTOSO\alice` or `alice@contoso.com`.
        account: String,
        /// It.
        password: Password,
    },
    /// Who an account is; it proves nothing.
    Person {
        /// As above.
        account: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Good {
        /// Who it is.
        person: Person,
        /// NTLM: the session base key, 16 bytes.
        session_key: Option<Bytes>,
    },
    /// It does not hold, or there is no such account.
    Refused {
        /// Why, a sentence for logs: a client is never told.
        reason: String,
    },
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ntlm { user, domain, .. } if domain.is_empty() => {
                write!(f, "NTLM response of {user}")
            }
            Self::Ntlm { user, domain, .. } => write!(f, "NTLM response of {domain}\\{user}"),
            Self::Password { account, .. } => write!(f, "password of {account}"),
            Self::Person { account } => write!(f, "who is {account}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { person, .. } => f.write_str(&person.account),
            Self::Refused { .. } => f.write_str("refused"),
        }
    }
}

/// Bytes, in JSON as base64. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

/// A password. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::{Bytes, Question, Verdict};
    use crate::directory::Person;

    #[test]
    fn it_is_said_as_docs_logins_md_has_it() {
        let question = Question::Ntlm {
            user: "alice".into(),
            domain: "CONTOSO".into(),
            challenge: Bytes(vec![1; 8]),
            response: Bytes(vec![2; 3]),
        };
        let said = json!({ "ntlm": {
            "user": "alice", "domain": "CONTOSO", "challenge": "AQEBAQEBAQE=", "response": "AgIC",
        }});
        assert_eq!(to_value(&question).ok(), Some(said.clone()));
        assert_eq!(from_value::<Question>(said).ok(), Some(question));
        let good = to_value(Verdict::Good {
            person: Person::default(),
            session_key: Some(Bytes(vec![0])),
        });
        assert_eq!(good.expect("JSON")["good"]["session-key"], "AA==");
        let refused = json!({ "refused": { "reason": "no" } });
        assert!(from_value::<Verdict>(refused).is_ok());
    }
}
