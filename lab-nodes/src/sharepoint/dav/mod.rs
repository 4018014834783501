//! WebDAV (RFC 4918), class 1 and 2.

use super::farm::{Answered, Trouble, Visit};

/// Answers a method that pages do not have.
pub(super) async fn answer(_: &Visit<'_>) -> Answered {
    Err(Trouble::bad("not yet"))
}
