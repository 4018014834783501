//! Logins by HTTP, by stock clients and by messages made to measure, verified by a domain
//! controller over TLS. All on loopback.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../web/authority.rs"]
#[allow(dead_code)]
mod authority;
mod built_in;
mod controller;
mod made_to_measure;
mod negotiated;
mod site;
mod stock;
mod verification;
