//! Certificate services and what they are for, on loopback, held against OpenSSL.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod authority;
mod refused;
mod services;
