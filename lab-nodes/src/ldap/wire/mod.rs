//! Messages of LDAP (RFC 4511): bytes ↔ types, no I/O.
//!
//! Written here and not taken from a library, because what AD's clients send is more than those read:
//! assertions that are no text (`objectGUID`, `objectSid`), the bind choices of [MS-ADTS]
//! §5.1.1.1.3, the criticality of every control; and because a malformed message must be refused
//! whole, in memory that its sender cannot multiply.
//!
//! - `ber`: elements (X.690), definite lengths;
//! - `frame`: where a message ends, before it is there;
//! - `filter`: what a search looks for;
//! - `request`: what clients send;
//! - `response`: what servers send.

pub mod ber;
mod filter;
mod frame;
mod request;
mod response;

pub use filter::{Filter, Rule};
pub use frame::{TooLong, length};
pub use request::{Control, Operation, Proof, Request, Scope, Search};
pub use response::{Answer, Attribute, Outcome, Response};

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(
    /// What is wrong, a sentence's end.
    pub &'static str,
);
