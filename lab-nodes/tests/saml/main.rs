//! Tokens, the identity provider and the cache of sessions: on loopback, and against xmlsec1,
//! python3-saml and curl as they are installed.
#![allow(clippy::unwrap_used, missing_docs)]

mod attacks;
mod authority;
mod cache;
mod conditions;
mod foreign;
mod provider;
mod tokens;
