//! LDAP as a domain controller of AD DS speaks it (RFC 4511, [MS-ADTS] §3.1.1.3): a directory that
//! is computed from the lab and read-only.
//!
//! - `wire`: messages, bytes ↔ types; `name`: distinguished names; `time`;
//! - `schema`, `tree`: what there is, and its attributes;
//! - `base`, `matching`, `selection`, `controls`, `search`: finding it;
//! - `bind`, and `sasl`, which mechanisms implement: who a client is;
//! - `mechanisms`: Kerberos, NTLM and the negotiation of either, for those binds;
//! - `extension`, which others plug in, and `extended`: extended operations;
//! - `session`: the state machine of a connection; `server`: what all connections share;
//! - `connection`, `listen`: sockets; `probe`: health.

mod base;
mod bind;
mod connection;
mod controls;
mod extended;
mod extension;
mod listen;
mod matching;
mod mechanisms;
mod name;
mod probe;
mod sasl;
mod schema;
mod search;
mod selection;
mod server;
mod session;
mod time;
mod tree;
mod wire;

pub use extension::{Asked, Caller, Code, Extended, Extension};
pub use listen::listen;
pub use mechanisms::Logins;
pub use name::Name;
pub use probe::{SECURE_PORT, probe};
pub use sasl::{Acceptor, Established, Mechanism, Protection, Refused, Step};
pub use server::{Directory, Server};
pub use session::{Session, Turn};
pub use tree::Contents;
pub use wire::{Malformed, TooLong, length as message_length};

/// LDAP, with TLS where a client asks for it.
pub const PORT: u16 = 389;
