//! `tier-web` and `balancer` on loopback, asked by curl.
#![allow(clippy::unwrap_used, missing_docs)]

mod affinity;
mod authority;
mod curl;
mod device;
mod health;
mod login;
mod publishing;
mod setup;
mod stage;
mod standing;
mod tier_web;
