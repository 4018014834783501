//! The caller's terminal while a program in a node has it.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, channel};

use lab_core::kernel::process::terminal_size;
use lab_core::run::control::{ExecControl, TerminalSize};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::output::Failure;

/// A terminal in raw mode; as it was before when this is dropped.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Puts the terminal on stdin into raw mode. From now on, what would end this process ends it
    /// with the terminal as it was, and a new size of the window is told to the receiver.
    ///
    /// # Errors
    /// What the terminal refuses.
    pub fn enter() -> Result<(Self, Receiver<ExecControl>), Failure> {
        let refuse = |error: nix::errno::Errno| {
            Failure::host(
                format!("can't put the terminal into raw mode: {error}"),
                None,
            )
        };
        let signals: SigSet = [
            Signal::SIGWINCH,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
        ]
        .into_iter()
        .collect();
        // Before any thread exists, so that all of them inherit the mask.
        signals.thread_block().map_err(refuse)?;
        let input = std::io::stdin();
        let before = tcgetattr(&input).map_err(refuse)?;
        let raw = Self {
            before: before.clone(),
        };
        let mut mode = before.clone();
        cfmakeraw(&mut mode);
        tcsetattr(&input, SetArg::TCSADRAIN, &mode).map_err(refuse)?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            while let Ok(signal) = signals.wait() {
                match signal {
                    Signal::SIGWINCH => {
                        let TerminalSize { rows, columns } = size();
                        if sender.send(ExecControl::Resize { rows, columns }).is_err() {
                            // The program is over; the signals still are ours.
                            continue;
                        }
                    }
                    // The program in the node ends with our connection.
                    ended => {
                        let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &before);
                        std::process::exit(128 + ended as i32);
                    }
                }
            }
        });
        Ok((raw, receiver))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

/// Whether the caller sits at a terminal.
pub fn is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Its size; a size that it does not know is the classic one.
pub fn size() -> TerminalSize {
    let size = terminal_size(std::io::stdout().as_fd())
        .ok()
        .filter(|(rows, columns)| *rows > 0 && *columns > 0);
    let (rows, columns) = size.unwrap_or((24, 80));
    TerminalSize { rows, columns }
}
