//! How the command ends when it is interrupted: at once, with 128 + the signal's number as exit code
//! (130 for ctrl-C), and where it matters with a line that says what becomes of the lab. `up` alone
//! ends in another way while a lab comes up ([`lab_core::run::interrupts`]); `exec` and `shell` pass
//! signals on to the program.

use std::io::IsTerminal;

use lab_core::kernel::interrupt::end_with;
use nix::sys::signal::Signal;

use crate::output::Failure;

/// From now on an interrupt ends the command without a word.
///
/// # Errors
/// The host refuses it.
pub fn ends_quietly() -> Result<(), Failure> {
    end_with(|signal| (String::new(), 128 + signal as i32)).map_err(refused)
}

/// From now on an interrupt ends the command with these words behind `interrupted; `.
///
/// # Errors
/// The host refuses it.
pub fn says(words: &str) -> Result<(), Failure> {
    let start = line_start();
    let line = |signal| format!("{start}{}; {words}\n", word(signal as i32));
    end_with(|signal| (line(signal), 128 + signal as i32)).map_err(refused)
}

/// From now on the command has done what it was asked for; it only tells.
///
/// # Errors
/// The host refuses it.
pub fn only_ends_the_telling(words: &str) -> Result<(), Failure> {
    let line = format!("{}{words}\n", line_start());
    end_with(|_| (line.clone(), 0)).map_err(refused)
}

/// A terminal shows `^C` or a bar where the line would begin.
fn line_start() -> &'static str {
    if std::io::stderr().is_terminal() {
        "\n"
    } else {
        ""
    }
}

/// What a signal is called here.
pub fn word(signal: i32) -> &'static str {
    match Signal::try_from(signal) {
        Ok(Signal::SIGTERM) => "terminated",
        Ok(Signal::SIGHUP) => "hung up",
        _ => "interrupted",
    }
}

fn refused(error: std::io::Error) -> Failure {
    Failure::host(format!("can't take care of signals: {error}"), None)
}
