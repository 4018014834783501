//! The `lab` command.
#![forbid(unsafe_code)]

fn main() {}
