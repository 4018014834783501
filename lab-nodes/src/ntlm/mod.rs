//! NTLM as [MS-NLMP] has it, version 2 alone: LM and NTLMv1 responses are refused.
//!
//! - [`wire`], with [`av`] and [`flags`]: the three messages, bytes ↔ types;
//! - [`proof`]: what is computed from a password and two challenges (§3.3.2, §3.4.5);
//! - [`acceptor`]: the server, which asks somebody else whether a response holds;
//! - [`initiator`]: the client;
//! - [`security`]: signatures and seals of an established session (§3.4);
//! - [`binding`]: what ties a login to the TLS connection it came by (RFC 5929).
//!
//! No sockets, clocks or random numbers: they are handed in.

pub mod acceptor;
pub mod av;
pub mod binding;
pub mod flags;
pub mod initiator;
pub mod proof;
pub mod security;
pub mod wire;

#[cfg(test)]
mod vectors;

pub use acceptor::{Acceptor, Attempt, Refusal, Session, Target};
pub use binding::Binding;
pub use flags::Flags;
pub use initiator::Initiator;
pub use security::{Security, Side};
