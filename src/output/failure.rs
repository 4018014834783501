//! Why a verb was not done.

use std::process::ExitCode;

use lab_core::run::control::Refusal;
use lab_core::run::interrupts::NotUp;

use super::{Colour, Screen};
use crate::interrupt::word;

/// Why a verb was not done.
#[derive(Debug)]
pub enum Failure {
    /// To be told to the user.
    Refused(Refusal),
    /// The lab did not come up because this signal came; what is left of it.
    Interrupted {
        /// The signal's number.
        signal: i32,
        /// Nothing is.
        over: bool,
    },
    /// The user was told already; only the exit code is left.
    Reported(u8),
    /// Whoever reads our output has seen enough (`lab status | head`): no failure of ours.
    OutputClosed,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<NotUp> for Failure {
    fn from(why: NotUp) -> Self {
        match why {
            NotUp::Refused(refusal) => Failure::Refused(refusal),
            NotUp::Interrupted { signal, over } => Failure::Interrupted { signal, over },
        }
    }
}

impl Failure {
    /// A mistake in what the user asked for (exit code 2).
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Failure::Refused(Refusal {
            message: message.into(),
            help: Some(help.into()),
            code: 2,
        })
    }

    /// What the host does not do (exit code 3).
    pub fn host(message: impl Into<String>, help: Option<String>) -> Self {
        Failure::Refused(Refusal {
            message: message.into(),
            help,
            code: 3,
        })
    }

    /// Tells the user, and gives the exit code.
    pub fn report(self, screen: &Screen) -> ExitCode {
        match self {
            Failure::Refused(refusal) => {
                let paint = screen.stderr();
                screen.note(&format!(
                    "{} {}",
                    paint.bold_in(Colour::Red, "error:"),
                    refusal.message
                ));
                if let Some(help) = refusal.help {
                    screen.note(&format!("{} {help}", paint.bold_in(Colour::Cyan, "help:")));
                }
                ExitCode::from(refusal.code)
            }
            Failure::Interrupted { signal, over } => {
                let word = word(signal);
                screen.note(&if over {
                    format!("{word}; nothing is left of it")
                } else {
                    format!("{word} twice; what is left of it is ending")
                });
                ExitCode::from(u8::try_from(128 + signal).unwrap_or(130))
            }
            Failure::Reported(code) => ExitCode::from(code),
            Failure::OutputClosed => ExitCode::SUCCESS,
        }
    }
}
