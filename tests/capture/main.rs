//! `lab capture`, its files read by Wireshark's programs and tcpdump.

mod ends;
mod running;
#[path = "../support/mod.rs"]
mod support;
mod what;
mod written;
