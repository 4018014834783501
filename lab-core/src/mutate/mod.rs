//! Mutations: a lab changed in one thing, to see whether any scenario notices.
//!
//! - `mutation`: what a mutation is; `mutations` lists all of a lab, in the order of their ids'
//!   making: `acl`, `nat`, `member`, `dns`;
//! - `equal`: whether one changes nothing that a lab's nodes can meet, and what makes it so;
//! - `report`: what became of each.
//!
//! Pure: no I/O, no clock, no random number.

mod acl;
mod dns;
mod equal;
mod member;
mod mutation;
mod nat;
mod report;

pub use equal::explanation;
pub use mutation::{Edit, Family, How, Mutation, mutations};
pub use report::{Fate, Mutated, Report, VERSION};

#[cfg(test)]
mod tests;
