//! What interrupts a command: ctrl-C, a request to end, a terminal that is closed.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What interrupts: from the keyboard, from other programs, from a terminal that goes away.
pub const INTERRUPTS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// What a process says and how it ends when it is interrupted, by the place in [`INTERRUPTS`].
type LastWords = [(String, i32); INTERRUPTS.len()];

static LAST_WORDS: AtomicPtr<LastWords> = AtomicPtr::new(std::ptr::null_mut());
/// Children of a fork end as quietly as any other process.
static SPEAKER: AtomicI32 = AtomicI32::new(0);

/// Whether this process was started with a signal ignored (nohup, a background job of a script).
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: sigaction is plain data, and with no new action the call only writes the old one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal as libc::c_int, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// From now on an interrupt ends this process at once: it writes a text to stderr and exits with a
/// status. What was ignored stays so.
///
/// # Errors
/// What sigaction(2) says.
pub fn end_with(words: impl Fn(Signal) -> (String, i32)) -> io::Result<()> {
    // Never freed: a handler may be reading the one before.
    let words = Box::leak(Box::new(INTERRUPTS.map(words)));
    SPEAKER.store(std::process::id() as i32, Ordering::Relaxed);
    LAST_WORDS.store(words, Ordering::Release);
    let action = SigAction::new(
        SigHandler::Handler(end),
        SaFlags::empty(),
        INTERRUPTS.into_iter().collect(),
    );
    for signal in INTERRUPTS {
        if !is_ignored(signal) {
            // SAFETY: the handler calls only what signal-safety(7) allows.
            unsafe { sigaction(signal, &action) }?;
        }
    }
    Ok(())
}

extern "C" fn end(signal: libc::c_int) {
    // SAFETY: the pointer is null or leads to words that are never freed or changed; getpid, write
    // and _exit may be called in a handler.
    unsafe {
        let place = INTERRUPTS.iter().position(|known| *known as i32 == signal);
        let words = LAST_WORDS.load(Ordering::Acquire).as_ref();
        let (text, status) = match words.zip(place).and_then(|(words, at)| words.get(at)) {
            Some((text, status)) => (text.as_bytes(), *status),
            None => (&[][..], 128 + signal),
        };
        if !text.is_empty() && libc::getpid() == SPEAKER.load(Ordering::Relaxed) {
            libc::write(2, text.as_ptr().cast(), text.len());
        }
        libc::_exit(status)
    }
}

/// Interrupts are held back and heard instead, as long as this lives. For one thread.
pub struct Held {
    signals: SignalFd,
    before: SigSet,
}

impl Held {
    /// Holds back those that this process does not ignore.
    ///
    /// # Errors
    /// What signalfd(2) says.
    pub fn hold() -> io::Result<Self> {
        // What is ignored would be heard once it is blocked.
        let heard: SigSet = INTERRUPTS
            .into_iter()
            .filter(|signal| !is_ignored(*signal))
            .collect();
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&heard, flags)?;
        let before = SigSet::thread_get_mask()?;
        heard.thread_block()?;
        Ok(Self { signals, before })
    }

    /// The next interrupt that has arrived, if any.
    pub fn heard(&self) -> Option<Signal> {
        let info = self.signals.read_signal().ok().flatten()?;
        Signal::try_from(info.ssi_signo as i32).ok()
    }

    /// Waits until `fd` can be read or has ended, an interrupt arrives, or the time is over; tells
    /// the interrupt.
    ///
    /// # Errors
    /// What poll(2) says.
    pub fn wait(
        &self,
        fd: Option<BorrowedFd<'_>>,
        limit: PollTimeout,
    ) -> io::Result<Option<Signal>> {
        let mut set = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        set.extend(fd.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        loop {
            match poll(&mut set, limit) {
                Err(nix::errno::Errno::EINTR) => {}
                result => {
                    result?;
                    break;
                }
            }
        }
        Ok(self.heard())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// Brings back every signal's default, and lets all through: what this process starts shall not
/// depend on who started it. A broken pipe stays ignored, as Rust's runtime wants it, and faults
/// stay with the runtime's handler.
///
/// # Errors
/// What sigaction(2) says.
pub fn forget() -> io::Result<()> {
    for signal in Signal::iterator() {
        match signal {
            Signal::SIGKILL
            | Signal::SIGSTOP
            | Signal::SIGPIPE
            | Signal::SIGSEGV
            | Signal::SIGBUS => {}
            // SAFETY: the default action runs no code of ours.
            _ => drop(unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?),
        }
    }
    // Only now: what was held back must not meet a handler.
    Ok(SigSet::empty().thread_set_mask()?)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    #[test]
    fn ignored_signals_are_known() {
        // Rust's runtime ignores SIGPIPE, and nobody ignores SIGUSR2 here.
        assert!(super::is_ignored(Signal::SIGPIPE));
        assert!(!super::is_ignored(Signal::SIGUSR2));
    }
}
