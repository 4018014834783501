//! A `lab up` that is interrupted: it ends what it began, and waits until nothing is left of it,
//! unless it is interrupted once more.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::poll::PollTimeout;

use super::control::Refusal;
use crate::kernel::interrupt::Held;

/// Why a lab did not come up.
#[derive(Debug)]
pub enum NotUp {
    /// It can't; nothing of it is left.
    Refused(Refusal),
    /// The caller did not want it any more.
    Interrupted {
        /// The number of the first signal that said so.
        signal: i32,
        /// Nothing of it is left. False: a second signal came, and what is left is ending.
        over: bool,
    },
}

impl From<Refusal> for NotUp {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Interrupts, from when this is made until it is dropped. What arrived and was not heard until
/// then takes its ordinary way.
pub struct Interrupts {
    held: Held,
    first: Cell<Option<i32>>,
    again: Cell<bool>,
}

impl Interrupts {
    /// Begins to hold them back.
    ///
    /// # Errors
    /// The host gives no descriptor.
    pub fn hold() -> Result<Self, Refusal> {
        let held = Held::hold().map_err(|error| Refusal {
            message: format!("can't hold back signals: {error}"),
            help: Some("look at `ulimit -n`".into()),
            code: 3,
        })?;
        Ok(Self {
            held,
            first: Cell::new(None),
            again: Cell::new(false),
        })
    }

    /// Waits until `fd` can be read or has ended.
    ///
    /// # Errors
    /// An interrupt came first: what was begun is to be ended.
    pub(super) fn wait(&self, fd: BorrowedFd<'_>) -> Result<(), NotUp> {
        self.listen(Some(fd), PollTimeout::NONE)
    }

    /// Waits for so long.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub(super) fn pause(&self, limit: Duration) -> Result<(), NotUp> {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        self.listen(None, limit)
    }

    /// Whether an interrupt has come by now.
    ///
    /// # Errors
    /// It has.
    pub(super) fn look(&self) -> Result<(), NotUp> {
        self.listen(None, PollTimeout::ZERO)?;
        self.verdict().map_or(Ok(()), Err)
    }

    /// Waits until a process, and with it its whole namespace, is dead, or a second interrupt says
    /// not to.
    pub(super) fn wait_dead(&self, pidfd: &OwnedFd) {
        while let Err(NotUp::Interrupted { over: true, .. }) = self.wait(pidfd.as_fd()) {}
    }

    /// Whether a second one came.
    pub(super) fn hurries(&self) -> bool {
        self.again.get()
    }

    /// What they mean for a lab that was coming up; nothing when none came.
    pub(super) fn verdict(&self) -> Option<NotUp> {
        self.first.get().map(|signal| NotUp::Interrupted {
            signal,
            over: !self.again.get(),
        })
    }

    fn listen(&self, fd: Option<BorrowedFd<'_>>, limit: PollTimeout) -> Result<(), NotUp> {
        let heard = self.held.wait(fd, limit).map_err(cannot_wait)?;
        let Some(signal) = heard else { return Ok(()) };
        if self.first.get().is_some() {
            self.again.set(true);
        } else {
            self.first.set(Some(signal as i32));
        }
        self.verdict().map_or(Ok(()), Err)
    }
}

fn cannot_wait(error: io::Error) -> NotUp {
    NotUp::Refused(Refusal {
        message: format!("can't wait for the lab: {error}"),
        help: None,
        code: 3,
    })
}
