//! SAML assertions: 1.1, as WS-Federation carries them (SharePoint 2013), and 2.0 with its Web SSO
//! profile.
//!
//! - [`Claims`]: what a token says of somebody;
//! - [`Issue`]: what shall stand in a token; [`Signer`]: signs it;
//! - [`Expected`]: what a token must be for whoever reads it; [`verify`] reads and verifies;
//! - [`SignedBy`]: whose signature is trusted;
//! - [`Refusal`]: why a token is refused, in a sentence.
//!
//! Nothing here does I/O or asks for the time. What is read is read strictly: a token has no comment,
//! no processing instruction and no document type; a document has one assertion and one signature;
//! that is a child of the assertion and refers to it alone, by the two transforms that SAML knows
//! (saml-core-2.0 §5.4); the algorithms are RSA or ECDSA with SHA-256, 384 or 512. So nothing is left
//! to wrap, and what was signed is what is read.

mod algorithm;
pub mod claim_types;
mod claims;
mod document;
mod instant;
mod issue;
mod namespace;
mod read;
mod refusal;
mod request;
mod sign;
mod signature;
mod trust;
mod verify;

pub use claims::Claims;
pub use instant::Instant;
pub use issue::{Issue, Version, escape, no_passive, response};
pub use refusal::Refusal;
pub use request::{AuthnRequest, inflated};
pub use sign::{SignError, Signer, random_id};
pub use trust::SignedBy;
pub use verify::{Expected, verify};
