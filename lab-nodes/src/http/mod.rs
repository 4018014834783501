//! HTTP/1.1 as the services of a lab speak it, on hyper.
//!
//! - [`accept`]: takes connections from a listening socket and serves each, to a proper end;
//! - [`dial`]: opens a connection to another server, and asks it once;
//! - [`standing`]: asks the same again and again;
//! - [`body`], [`page`]: what goes over them;
//! - [`form`]: forms, as queries and bodies; [`cookie`]: cookies that a client shows;
//! - [`host`]: which host a request is for;
//! - [`tier_path`]: the `Tierlab-Path` header.
//!
//! It knows no site and no pool: those belong to the services.

pub mod accept;
pub mod asked;
pub mod body;
pub mod cookie;
pub mod dial;
pub mod form;
pub mod host;
mod linger;
pub mod page;
pub mod standing;
pub mod tier_path;
