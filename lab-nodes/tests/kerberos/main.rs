//! Kerberos as stock clients meet it: MIT's programs against a domain controller on loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "what other tests need of it")]
#[path = "../web/authority.rs"]
mod authority;
mod refused;
mod settings;
mod stage;
mod stock;
mod web;
