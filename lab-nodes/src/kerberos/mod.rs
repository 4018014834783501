//! Kerberos V5 (RFC 4120) with AES (RFC 3962), and its GSS-API mechanism (RFC 4121).
//!
//! - `der`, `time`, `messages`: bytes ↔ types, total, no I/O;
//! - `crypto`: encryption types and keys;
//! - `keytab`: the long-term keys that a server holds;
//! - `acceptor`: from an AP-REQ to who sent it, with a replay cache;
//! - `gss`: tokens, and the security context that seals and signs messages;
//! - `initiator`: from a password to a ticket to an AP-REQ.
//!
//! The key distribution center is in `domain_controller`.

pub mod acceptor;
pub mod crypto;
pub mod gss;
mod keytab;
pub mod messages;
mod principal;
pub mod replay;
pub mod time;

pub use acceptor::{Accepted, Acceptor, Rejected};
pub use gss::{ChannelBinding, SecurityContext};
pub use keytab::Keytab;
pub use principal::{NameType, Principal};
