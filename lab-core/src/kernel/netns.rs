//! Network namespaces: holding one, and working in it for a moment.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace, held open by a descriptor.
#[derive(Debug)]
pub struct NetNs {
    fd: OwnedFd,
}

impl NetNs {
    /// That of the calling thread.
    ///
    /// # Errors
    /// `/proc` is not there, or no descriptor is left.
    pub fn current() -> io::Result<Self> {
        // Not /proc/self: that is the main thread, which may stand elsewhere.
        let file = std::fs::File::open("/proc/thread-self/ns/net")?;
        Ok(Self { fd: file.into() })
    }

    /// A new, empty one. The calling thread stays where it is.
    ///
    /// # Errors
    /// What unshare(2) says: the limit of namespaces, or namespaces are forbidden.
    pub fn new() -> io::Result<Self> {
        // The guard brings the thread back from wherever it is by then.
        let _back = Self::current()?.enter()?;
        unshare(CloneFlags::CLONE_NEWNET)?;
        Self::current()
    }

    /// From a descriptor of one.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Another descriptor of the same.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
        })
    }

    /// Moves the calling thread into it until the guard is dropped. No await may happen meanwhile:
    /// other tasks of the thread would run in it.
    ///
    /// # Errors
    /// What setns(2) says.
    pub fn enter(&self) -> io::Result<Entered> {
        let back = Self::current()?;
        setns(&self.fd, CloneFlags::CLONE_NEWNET)?;
        Ok(Entered {
            back,
            of_this_thread: PhantomData,
        })
    }

    /// Does something in it and comes back. A socket stays in the namespace it was made in.
    ///
    /// # Errors
    /// What setns(2) says, or what is done.
    pub fn within<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let _entered = self.enter()?;
        work()
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// The calling thread is in a namespace; dropping this brings it back.
#[must_use = "dropping this leaves the namespace"]
#[derive(Debug)]
pub struct Entered {
    back: NetNs,
    /// Not `Send`: another thread would be brought to where this one came from.
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The thread came from there a moment ago: it may go back. To go on elsewhere would mean
        // to build in one node what was meant for another.
        if let Err(error) = setns(&self.back.fd, CloneFlags::CLONE_NEWNET) {
            tracing::error!("the way back into the own network namespace is closed: {error}");
            std::process::abort();
        }
    }
}
