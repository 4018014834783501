//! What really happened: packets seen in the fabric, decisions of rules, connection tracking and
//! what services say of themselves, put together to a [`Journey`].
//!
//! - `tuple`: the addresses, protocol and ports of a conversation;
//! - `span`: what a service says that it did;
//! - `journey`: what became of a request.
//!
//! Nothing here asks the plan what should happen.

mod assemble;
pub mod headers;
mod journey;
mod seen;
mod span;
mod tuple;

pub use assemble::journey;
pub use journey::{
    Decision, Did, End, Flow, Handling, Hop, Journey, Translation, Unreached, VERSION, Verdict,
};
pub use seen::{
    Connection, KnownAs, Names, Observations, SeenDecision, SeenNeighbour, SeenPacket, SeenSpan,
};
pub use span::{Deed, Span};
pub use tuple::{Tuple, protocol};
