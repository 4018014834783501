//! Extended operations that others plug in (RFC 4511 §4.12).

use std::net::SocketAddr;

use lab_core::service::Conversation;
use rustls::pki_types::CertificateDer;

/// An extended operation. The server lists it in `supportedExtension` of its root entry, finds it by
/// its identifier and sends what it answers; a malformed value is the extension's to refuse
/// ([`Code::PROTOCOL_ERROR`]).
pub trait Extension: Send + Sync + 'static {
    /// Its object identifier.
    fn oid(&self) -> &'static str;

    /// Answers at once: the server asks on the thread that serves all connections.
    fn answer(&self, asked: &Asked<'_>) -> Extended;
}

/// A request for an extended operation.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `requestValue`, at most 64 KiB; none where the client sent none.
    pub value: Option<&'a [u8]>,
    /// Who asks.
    pub caller: &'a Caller,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where it comes from.
    pub address: SocketAddr,
    /// The connection is inside TLS.
    pub secure: bool,
    /// Its certificate, verified against the lab's CA; the names in it are its own.
    pub certificate: Option<CertificateDer<'static>>,
    /// What is told of it to those who watch.
    pub conversation: Conversation,
}

/// The answer to an extended operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    /// Result code.
    pub code: Code,
    /// Diagnostic message, for people; empty if there is nothing to say.
    pub message: String,
    /// `responseValue`.
    pub value: Option<Vec<u8>>,
}

/// A result code of LDAP (RFC 4511 §4.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u8);

#[allow(missing_docs)]
impl Code {
    pub const SUCCESS: Self = Self(0);
    pub const OPERATIONS_ERROR: Self = Self(1);
    pub const PROTOCOL_ERROR: Self = Self(2);
    pub const TIME_LIMIT_EXCEEDED: Self = Self(3);
    pub const SIZE_LIMIT_EXCEEDED: Self = Self(4);
    pub const COMPARE_FALSE: Self = Self(5);
    pub const COMPARE_TRUE: Self = Self(6);
    pub const AUTH_METHOD_NOT_SUPPORTED: Self = Self(7);
    pub const STRONGER_AUTH_REQUIRED: Self = Self(8);
    pub const ADMIN_LIMIT_EXCEEDED: Self = Self(11);
    pub const UNAVAILABLE_CRITICAL_EXTENSION: Self = Self(12);
    pub const CONFIDENTIALITY_REQUIRED: Self = Self(13);
    pub const SASL_BIND_IN_PROGRESS: Self = Self(14);
    pub const NO_SUCH_ATTRIBUTE: Self = Self(16);
    pub const NO_SUCH_OBJECT: Self = Self(32);
    pub const INVALID_DN_SYNTAX: Self = Self(34);
    pub const INAPPROPRIATE_AUTHENTICATION: Self = Self(48);
    pub const INVALID_CREDENTIALS: Self = Self(49);
    pub const INSUFFICIENT_ACCESS_RIGHTS: Self = Self(50);
    pub const BUSY: Self = Self(51);
    pub const UNAVAILABLE: Self = Self(52);
    pub const UNWILLING_TO_PERFORM: Self = Self(53);
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match *self {
            Self::SUCCESS => "success",
            Self::OPERATIONS_ERROR => "operationsError",
            Self::PROTOCOL_ERROR => "protocolError",
            Self::TIME_LIMIT_EXCEEDED => "timeLimitExceeded",
            Self::SIZE_LIMIT_EXCEEDED => "sizeLimitExceeded",
            Self::UNAVAILABLE_CRITICAL_EXTENSION => "unavailableCriticalExtension",
            Self::NO_SUCH_OBJECT => "noSuchObject",
            Self::INVALID_DN_SYNTAX => "invalidDNSyntax",
            Self(other) => return write!(f, "result {other}"),
        };
        f.write_str(name)
    }
}
