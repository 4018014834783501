//! What the front ends of a farm share so that none of them matters: the sessions of people who
//! logged in, and the tokens that were used up. A client that logged in through one front end is
//! known to the others before it hears of it (B1).
//!
//! - [`setup`]: what a service that has it adds to its set-up; pure;
//! - [`token`]: the opaque token that a client gets, and the key it is kept under;
//! - [`store`]: what one member knows; pure. Two members that have seen the same changes, in any
//!   order and any number of times, know the same;
//! - [`wire`]: what members say to each other, in frames;
//! - [`link`]: the connection to another member; [`serve`]: connections from them;
//! - [`TokenCache`]: what a service uses.
//!
//! Members speak over mutual TLS with their nodes' certificates. A change waits for every member
//! whose link is up, at most [`PATIENCE`] for one: a member that takes longer is left out until it
//! is back, and catches up then. Where a network is cut in two, each part goes on by itself.
//!
//! [`PATIENCE`]: link::PATIENCE

mod cache;
mod link;
mod serve;
mod setup;
mod store;
mod token;
pub mod wire;

pub use cache::{CacheError, TokenCache, Upkeep};
pub use setup::{LISTENER, PEERS, PORT, Part};
pub use token::Token;
