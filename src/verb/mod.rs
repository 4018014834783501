//! The verbs of `lab`, one file each: its arguments and what it does.

pub mod apply;
pub mod capture;
pub mod check;
pub mod client;
pub mod completions;
pub mod cp;
pub mod doctor;
pub mod down;
pub mod exec;
pub mod explain;
pub mod fault;
pub mod graph;
pub mod heal;
pub mod init;
pub mod logs;
pub mod matrix;
pub mod schema;
pub mod shell;
pub mod status;
pub mod test;
pub mod trace;
pub mod up;
