//! The engine of Tierlab: it knows networks and processes, and no product.
//!
//! Data flows one way: **file → [`model`] → [`check`] → [`plan`] → diff →
//! [`kernel`] and [`run`] → [`observe`]**. `plan` does no I/O and never asks for the time or a
//! random number; `kernel` decides nothing; nothing here names a product. These
//! sentences are invariants, held by `tests/invariants.rs`.
#![deny(unsafe_code)]

pub mod check;
pub mod coverage;
pub mod kernel;
pub mod model;
pub mod mutate;
pub mod observe;
pub mod plan;
pub mod predict;
pub mod run;
pub mod scenario;
pub mod service;
