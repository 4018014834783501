//! Filters in the language of pcap-filter(7), compiled to classic BPF.
//!
//! Our own because libpcap is a C library that a host may not have, and because names in a filter
//! are those of the lab (`host web1`, `net frontend`). What is understood means what it means to
//! tcpdump, held by a test that compares both. Left out is what a lab's Ethernet links have not:
//! other link types, wireless, pf, MPLS, PPPoE, Geneve, and host names and networks of the host.

mod assemble;
mod condition;
mod parse;
mod protocol;
mod relation;
mod value;
mod words;

pub use assemble::{TooLong, program};
pub use condition::Condition;
pub use parse::{WrongFilter, parse};

#[cfg(test)]
mod tests;
