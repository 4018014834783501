//! What would become of a packet: answered from the lab and its plan alone, with nothing running.
//!
//! - `kind`, `rules`: what a packet is, which rule decides about it, and (`nearest`) which almost did;
//! - `network`: who is where, and how a node routes;
//! - `walk`: a connection's first packet; `members`: to whom a VIP sends it; `listen`: who takes it;
//!   `back`: the answer; `way`: what comes out;
//! - `names`: what a node gets for a name; `explain`: a whole answer;
//! - `matrix` (`clients`, `ports`): many questions at once; `against`: the same to two labs; `alike`:
//!   whether these differ in anything.
//!
//! Pure: no I/O, no clock, no random number. It shares nothing with what observes a running lab but
//! the model: where the two disagree, one of them is wrong.

mod against;
mod alike;
mod back;
mod clients;
mod explain;
mod kind;
mod listen;
mod matrix;
mod members;
mod names;
mod nearest;
mod network;
mod ports;
mod rules;
mod walk;
mod way;

pub use against::{Change, Place, Reach, changes};
pub use alike::{Instead, alike, instead_of};
pub use clients::clients;
pub use explain::{Aim, Explanation, Unasked, explain};
pub use kind::{Destination, Kind};
pub use matrix::{Cell, Decider, Matrix, Row, matrix};
pub use names::{Lookup, Question};
pub use nearest::{Nearest, Need};
pub use network::Model;
pub use ports::kinds;
pub use way::{Back, Branch, End, Hop, Onward, Outcome, Packet, Step, Then, Verdict, Way};
