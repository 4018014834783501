//! Network namespaces: holding one, and working in it for a moment.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns};

/// A network namespace, kept alive by the descriptor in it.
#[derive(Debug)]
pub struct NetNs {
    fd: OwnedFd,
}

impl NetNs {
    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// No /proc is mounted, or the process has no descriptor left.
    pub fn current() -> io::Result<Self> {
        // Not /proc/self: that is the main thread, which may stand elsewhere.
        let file = File::open("/proc/thread-self/ns/net").map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("can't open /proc/thread-self/ns/net: {error}"),
            )
        })?;
        Ok(Self { fd: file.into() })
    }

    /// From a descriptor of a namespace, as /proc/…/ns/net gives it.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Another handle of the same namespace.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
        })
    }

    /// Moves the calling thread into the namespace until the guard is dropped. No await may lie
    /// between: other tasks of the thread would find themselves here. The guard is not `Send`, so
    /// a task that could change threads with it does not compile.
    ///
    /// A socket belongs for good to the namespace that it is made in.
    ///
    /// # Errors
    /// What setns(2) says: this takes CAP_SYS_ADMIN over the namespace.
    pub fn enter(&self) -> io::Result<Entered> {
        let home = Self::current()?;
        setns(self.fd(), CloneFlags::CLONE_NEWNET).map_err(|error| {
            io::Error::other(format!("can't enter a network namespace: {error}"))
        })?;
        Ok(Entered {
            home,
            stays_on_its_thread: PhantomData,
        })
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// The calling thread is in another network namespace; dropping this brings it back.
#[derive(Debug)]
#[must_use = "dropped at once, it brings the thread back at once"]
pub struct Entered {
    home: NetNs,
    stays_on_its_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Err(error) = setns(self.home.fd(), CloneFlags::CLONE_NEWNET) {
            // To go on here would mean to build in one node what was meant for another.
            eprintln!("can't return to the network namespace this thread came from: {error}");
            std::process::abort();
        }
    }
}
