//! How a lab lives: launcher, zygote, node processes, keeper, control socket.

pub mod client;
pub mod control;
pub mod launcher;
