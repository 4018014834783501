//! A domain controller's directory, asked by stock clients and by messages made to measure. All on
//! loopback.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../web/authority.rs"]
mod authority;
mod broken;
mod logins;
mod searches;
mod stage;
