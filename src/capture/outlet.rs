//! Where bytes go: a file, a pipe that may be slow, a terminal.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A pipe that can be written to takes so much without blocking (PIPE_BUF).
const AT_ONCE: usize = 4096;
/// So long a reader that is slow is waited for when all ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where bytes go.
#[derive(Debug)]
pub struct Outlet {
    file: File,
    /// A file of the disk: it is never waited for, and can be cut.
    on_disk: bool,
}

/// Why bytes did not go out.
#[derive(Debug)]
pub enum Stuck {
    /// Nobody reads any more.
    Closed,
    /// The end has come, and the reader takes nothing.
    Abandoned,
    /// Something else, and how many of the bytes went out before.
    Failed(io::Error, usize),
}

impl Outlet {
    /// To a file that is open.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn new(file: File) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        let stream = kind.is_fifo() || kind.is_socket() || kind.is_char_device();
        Ok(Self {
            file,
            on_disk: !stream,
        })
    }

    /// Where it can be seen that a reader is gone; none for a file of the disk.
    pub fn reader(&self) -> Option<BorrowedFd<'_>> {
        (!self.on_disk).then(|| self.file.as_fd())
    }

    /// Writes all of it. A reader that is slow is waited for until one of `ends` is readable, and a
    /// second more.
    ///
    /// # Errors
    /// Why not all went out.
    pub fn write(&mut self, bytes: &[u8], ends: &[BorrowedFd<'_>]) -> Result<(), Stuck> {
        let mut sent = 0;
        while sent < bytes.len() {
            let mut rest = &bytes[sent..];
            if !self.on_disk {
                self.until_writable(ends)?;
                rest = &rest[..rest.len().min(AT_ONCE)];
            }
            match self.file.write(rest) {
                Ok(0) => return Err(Stuck::Failed(io::ErrorKind::WriteZero.into(), sent)),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(Stuck::Closed);
                }
                Err(error) => return Err(Stuck::Failed(error, sent)),
            }
        }
        Ok(())
    }

    fn until_writable(&self, ends: &[BorrowedFd<'_>]) -> Result<(), Stuck> {
        let mut last = None;
        loop {
            let mut sources = vec![PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            let timeout = match last {
                None => {
                    let ends = ends.iter().map(|end| PollFd::new(*end, PollFlags::POLLIN));
                    sources.extend(ends);
                    PollTimeout::NONE
                }
                Some(last) => {
                    let left = LAST_WORDS.saturating_sub(Instant::elapsed(&last));
                    PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)
                }
            };
            match poll(&mut sources, timeout) {
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(Stuck::Failed(error.into(), 0)),
                Ok(0) => return Err(Stuck::Abandoned),
                Ok(_) => {}
            }
            let ready = |source: &PollFd<'_>| source.any().unwrap_or(true);
            // An error is for the write to tell.
            if ready(&sources[0]) {
                return Ok(());
            }
            if sources[1..].iter().any(ready) {
                last = Some(Instant::now());
            }
        }
    }

    /// Cuts a file of the disk where its last `bytes` begin.
    pub fn take_back(&mut self, bytes: usize) {
        if self.on_disk
            && let Ok(about) = self.file.metadata()
        {
            // It is readable as it is, too: its last block is cut short then.
            let _ = self.file.set_len(about.len().saturating_sub(bytes as u64));
        }
    }
}
