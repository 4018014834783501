//! What is seen of a lab that runs: packets on its links, summed up for people and written for
//! Wireshark. Reads what [`crate::kernel`] hands over; changes nothing.

pub mod capture;
mod checksum;
pub mod filter;
pub mod links;
pub mod names;
pub mod pcapng;
pub mod summary;
pub mod target;

pub use checksum::complete_checksum;
