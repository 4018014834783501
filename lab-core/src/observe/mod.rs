//! What really happened in a lab that runs. Reads what [`crate::kernel`] hands over; changes nothing,
//! and never asks the plan what should happen.
//!
//! A journey: packets seen in the fabric, decisions of rules, connection tracking and what services
//! say of themselves, put together.
//! - `tuple`: the addresses, protocol and ports of a conversation; `headers`: those of a packet;
//! - `span`: what a service says that it did; `seen`: everything that was seen;
//! - `begun`: what a node began by itself; `assemble`: from all that to a [`Journey`].
//!
//! A capture: packets on links, summed up for people and written for Wireshark.
//! - `capture`, `target`, `filter`, `links`: which packets, of whom;
//! - `summary`, `names`, `pcapng`, `checksum`: how they are shown and written.

mod assemble;
mod begun;
pub mod capture;
mod checksum;
pub mod filter;
pub mod headers;
mod journey;
pub mod links;
pub mod names;
pub mod pcapng;
mod seen;
mod span;
pub mod summary;
pub mod target;
mod tuple;

pub use assemble::journey;
pub use checksum::complete_checksum;
pub use journey::{
    Decision, Did, End, Flow, Handling, Hop, Journey, Translation, Unreached, VERSION, Verdict,
};
pub use seen::{
    Connection, KnownAs, Names, Observations, Probe, SeenDecision, SeenNeighbour, SeenPacket,
    SeenSpan,
};
pub use span::{Deed, Span, now};
pub use tuple::{Tuple, protocol};
