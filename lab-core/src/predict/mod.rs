//! What would become of a packet: answered from the lab and its plan alone, with nothing running.
//!
//! `kind` and `rules` say what a packet is and which rule decides about it, `network` who is where
//! and how a node routes, `walk` follows a connection's first packet and `back` its reply,
//! `way` is what comes out; `names` looks a name up as a node would, `explain` puts a whole answer
//! together. `matrix` asks for many at once, `against` for two labs. Pure: no I/O, no clock, no
//! random number. It shares nothing with what observes a running lab but the model: where the two
//! disagree, one of them is wrong.

mod against;
mod back;
mod clients;
mod explain;
mod kind;
mod matrix;
mod names;
mod nearest;
mod network;
mod ports;
mod rules;
mod walk;
mod way;

pub use against::{Change, Place, Reach, changes};
pub use clients::clients;
pub use explain::{Aim, Explanation, Unasked, explain};
pub use kind::{Destination, Kind};
pub use matrix::{Cell, Decider, Matrix, Row, matrix};
pub use names::{Lookup, Question};
pub use nearest::{Nearest, Need};
pub use network::Model;
pub use ports::kinds;
pub use way::{Back, Branch, End, Hop, Onward, Outcome, Packet, Step, Then, Verdict, Way};
