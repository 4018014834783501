//! What services say of what they did for whom. A deed is told by the code that did it, never
//! by code that only expects it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::tuple::Tuple;

/// Something that a service did for a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Microseconds since the Unix epoch when it was done.
    pub at: u64,
    /// Whose conversation: from the client to the service, as the service sees it.
    pub tuple: Tuple,
    /// What it did.
    pub deed: Deed,
}

/// What a service did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Deed {
    /// It answered a question about a name.
    Answered {
        /// The name asked for, without its last dot.
        name: String,
        /// Record type (`A`).
        kind: String,
        /// The view the client is in, where there are several.
        view: Option<String>,
        /// Response code (`NOERROR`, `NXDOMAIN`).
        code: String,
        /// Data of the answer section, as in a zone file.
        answers: Vec<String>,
    },
    /// It ended a TLS handshake as the server.
    Tls {
        /// The name that the client asked for (RFC 6066 §3).
        name: Option<String>,
        /// `TLS 1.3`.
        version: String,
        /// First name in the client's certificate, whose chain was verified.
        client: Option<String>,
    },
    /// A TLS handshake failed.
    TlsFailed {
        /// A sentence.
        reason: String,
    },
    /// It verified who the client is, or that it is not.
    Login {
        /// `ntlm`, `negotiate`, `basic`, `forms`, `saml`, `certificate` …
        method: String,
        /// Who.
        principal: String,
        /// Whether the proof held.
        verified: bool,
        /// The proof: a ticket's service and cipher, an NTLM session, a token's id.
        proof: String,
    },
    /// It chose a member of a pool.
    Chose {
        /// The pool.
        pool: String,
        /// The member's node.
        member: String,
        /// `round robin`, `cookie`, `header`, `the connection that the client logged in to` …
        reason: String,
        /// Members that could have been chosen.
        healthy: usize,
        /// Members in all.
        members: usize,
    },
    /// It asks after another server's health, for nobody, in the conversation that this span is
    /// about: from this node to that server.
    Check {
        /// The server.
        of: String,
    },
    /// It asked another server on the client's behalf.
    Onward {
        /// The conversation with that server, from this node.
        tuple: Tuple,
        /// The server, as this service knows it.
        to: String,
        /// What was asked (`GET /owa/`).
        asked: String,
        /// What came back (`200`), or a sentence that says why nothing did.
        answer: String,
        /// Microseconds until then.
        micros: u64,
        /// The connection was there before.
        kept: bool,
    },
    /// It answered a request.
    Served {
        /// What was asked (`GET /owa/`).
        asked: String,
        /// Of which host.
        host: Option<String>,
        /// What it answered (`200`, `250 2.1.5 Ok`).
        answer: String,
        /// Microseconds it took.
        micros: u64,
    },
}

/// Now, in microseconds since the Unix epoch: as spans are stamped, and packets.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .unwrap_or_default()
}
