//! The `lab` command: one file per verb in [`verb`], what they print in [`output`] and
//! [`overview`], pictures in [`graph`], packets in [`capture`].
//!
//! The process has one thread until a lab is up: the engine forks. Nothing here may start a
//! thread or an async runtime before [`lab_core::run::launcher::up`] returns.
#![forbid(unsafe_code)]

mod against;
mod capture;
mod changes;
mod cli;
mod counters;
mod embedded;
mod explained;
mod graph;
mod interrupt;
mod journey;
mod matrix;
mod mutation;
mod output;
mod overview;
mod running;
mod scenarios;
mod source;
mod terminal;
mod verb;
mod zones;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let screen = output::Screen::new(cli.color);
    match interrupt::ends_quietly().and_then(|()| cli.run(&screen)) {
        Ok(code) => code,
        Err(failure) => failure.report(&screen),
    }
}
