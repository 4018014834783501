//! Linux, a thin file per facility. Decides nothing: it does what a plan says and
//! tells what the kernel answered. The only place with `unsafe`.

pub mod channel;
pub mod identity;
pub mod mount;
pub mod process;
pub mod socket;
