//! Pages for people: small, whole in one answer, without anything from elsewhere.
//!
//! - `layout`: what all have in common; everything that comes from people is escaped here;
//! - `browse`: sites, lists, folders, documents; `change`: what their forms ask for;
//! - `download`: the bytes of a file; `multipart`: a form that brings one;
//! - `signing`: signing in and out, and what goes wrong.

mod browse;
mod change;
mod download;
mod layout;
pub mod multipart;
mod signing;

pub(super) use download::file;
pub(super) use signing::{sign_in, signed_out, trouble};

use hyper::Method;

use super::farm::{Answered, Visit};

/// Answers what a browser asks for.
pub(super) async fn answer(visit: &Visit<'_>) -> Answered {
    match *visit.method {
        Method::POST => change::answer(visit).await,
        _ => browse::answer(visit).await,
    }
}
