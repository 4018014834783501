//! `sql-server` on loopback: asked by our own client, by FreeTDS, and by who means it no good.
#![allow(clippy::unwrap_used)]

#[path = "../web/authority.rs"]
#[allow(dead_code)]
mod authority;
mod bad_input;
mod client;
mod free_tds;
mod server;
mod statements;
