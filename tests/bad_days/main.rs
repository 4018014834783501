//! Bad days: what a user reads when input, callers or load are hostile, and that the lab goes on.

#[path = "../support/mod.rs"]
mod support;

mod host;
mod input;
mod large;
mod limits;
mod load;
mod socket;
mod state;
