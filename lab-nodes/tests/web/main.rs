//! `tier-web` and `balancer` on loopback, asked by curl.
#![allow(clippy::unwrap_used, missing_docs)]

mod authority;
mod balancer;
mod curl;
mod login;
mod stage;
mod tier_web;
