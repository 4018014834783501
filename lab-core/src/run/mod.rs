//! How a lab lives: launcher, zygote, node processes, keeper, control socket.
//!
//! | dies | ends with it |
//! | --- | --- |
//! | launcher, before its goodbye | the lab: the keeper reads end of file |
//! | keeper | the lab: the first process reaps it and ends |
//! | first process | the lab: the kernel ends its PID namespace |
//! | a node's first process | the node: the kernel ends its PID namespace; the keeper starts it again |
//! | service or program | itself; started again by its rule |
//! | `lab exec`'s caller | the program it started, with all descendants |

pub mod client;
pub mod control;
mod entry;
mod folders;
pub mod interrupts;
mod keeper;
pub mod launcher;
mod limits;
pub mod log_files;
mod messages;
mod node;
mod pki;
mod program;
mod root;
mod sandbox;
mod service;
mod stages;
mod stores;
mod template;
pub mod watch;
mod wire;
mod zygote;
