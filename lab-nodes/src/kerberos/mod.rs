//! Kerberos V5 (RFC 4120) with AES (RFC 3962), and its GSS-API mechanism (RFC 4121).
//!
//! - `time`, `messages`, `gss`: bytes ↔ types, total, no I/O;
//! - `crypto`: encryption types and keys;
//! - `keytab`: the long-term keys that a server holds;
//! - `acceptor`: from an AP-REQ to who sent it, with a replay cache;
//! - `context`: messages signed and sealed after a login;
//! - `initiator`: from a password to a ticket to an AP-REQ, and `center`, which exchanges its
//!   messages over TCP.
//!
//! The key distribution center is in `domain_controller`.

pub mod acceptor;
mod binding;
pub mod center;
pub mod context;
pub mod crypto;
pub mod gss;
pub mod initiator;
mod keytab;
pub mod messages;
mod principal;
pub mod replay;
pub mod time;

pub use acceptor::{Accepted, Acceptor, Rejected};
pub use binding::ChannelBinding;
pub use context::SecurityContext;
pub use keytab::Keytab;
pub use principal::{NameType, Principal};
