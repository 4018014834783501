//! Typed messages between the processes of a lab, with descriptors beside them.
//!
//! A channel is a pair of `SOCK_SEQPACKET` sockets: a message is never torn, an end of file
//! says that the peer is dead. What does not fit into a packet travels in a memory file.

#![allow(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::process::adopt;

/// Longest message, in bytes. The socket's buffer takes about 200 kB.
const MAX_PACKET: usize = 128 * 1024;
/// Most descriptors beside one message.
const MAX_DESCRIPTORS: usize = 8;

/// One end of a channel.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Both ends of a new channel; neither survives exec.
    ///
    /// # Errors
    /// What socketpair(2) says.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        Ok((Self { socket: a }, Self { socket: b }))
    }

    /// From a descriptor that was one end.
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Gives the descriptor back.
    pub fn into_fd(self) -> OwnedFd {
        self.socket
    }

    /// Sends one message and copies of `descriptors`.
    ///
    /// # Errors
    /// `EPIPE` when the peer is gone, `WouldBlock` on a non-blocking socket that is full.
    pub fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(message)?;
        let mut raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        // A long message goes into a memory file, named by the first byte.
        let spill;
        if bytes.len() + 1 > MAX_PACKET {
            spill = memory_file(&bytes)?;
            raw.push(spill.as_raw_fd());
            bytes = vec![SPILLED];
        } else {
            bytes.insert(0, INLINE);
        }
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
        loop {
            match sendmsg::<()>(
                self.socket.as_raw_fd(),
                &[IoSlice::new(&bytes)],
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            ) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives one message with its descriptors; `None` when the peer is gone.
    ///
    /// # Errors
    /// `WouldBlock` on a non-blocking socket, `InvalidData` for what is no message.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_PACKET];
        let mut space = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS + 1]);
        let (length, mut descriptors) = loop {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            match recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut slices,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Ok(message) => {
                    let mut descriptors = Vec::new();
                    for control in message.cmsgs()? {
                        if let ControlMessageOwned::ScmRights(raw) = control {
                            descriptors.extend(raw.into_iter().map(adopt));
                        }
                    }
                    break (message.bytes, descriptors);
                }
                Err(nix::errno::Errno::EINTR) => {}
                // The peer died with messages of ours unread.
                Err(nix::errno::Errno::ECONNRESET) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        let Some((kind, body)) = bytes[..length].split_first() else {
            return Ok(None);
        };
        let message = if *kind == SPILLED {
            let file = descriptors.pop().ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a long message without its file",
                )
            })?;
            let mut file = std::fs::File::from(file);
            file.rewind()?;
            let mut long = Vec::new();
            file.read_to_end(&mut long)?;
            serde_json::from_slice(&long)?
        } else {
            serde_json::from_slice(body)?
        };
        Ok(Some((message, descriptors)))
    }
}

const INLINE: u8 = 0;
const SPILLED: u8 = 1;

fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = nix::sys::memfd::memfd_create(c"message", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    Ok(file.into())
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// One end of a channel for tokio.
#[derive(Debug)]
pub struct AsyncChannel {
    inner: tokio::io::unix::AsyncFd<Channel>,
}

impl AsyncChannel {
    /// Makes a channel non-blocking and registers it with the running reactor.
    ///
    /// # Errors
    /// What fcntl(2) or epoll_ctl(2) says.
    pub fn new(channel: Channel) -> io::Result<Self> {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        fcntl(&channel.socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // SAFETY: a channel owns its socket, and nothing replaces it while the channel lives.
        let inner = unsafe { tokio::io::unix::AsyncFd::register(channel) };
        Ok(Self {
            inner: inner.map_err(io::Error::from)?,
        })
    }

    /// See [`Channel::send`].
    ///
    /// # Errors
    /// As there, but it waits where that one would block.
    pub async fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        loop {
            let mut guard = self.inner.writable().await?;
            if let Ok(result) = guard.try_io(|inner| inner.get_ref().send(message, descriptors)) {
                return result;
            }
        }
    }

    /// See [`Channel::receive`].
    ///
    /// # Errors
    /// As there, but it waits where that one would block.
    pub async fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        loop {
            let mut guard = self.inner.readable().await?;
            if let Ok(result) = guard.try_io(|inner| inner.get_ref().receive()) {
                return result;
            }
        }
    }

    /// Ends the connection: both sides read end of file.
    ///
    /// # Errors
    /// What shutdown(2) says.
    pub fn shut_down(&self) -> io::Result<()> {
        use nix::sys::socket::{Shutdown, shutdown};
        Ok(shutdown(self.inner.as_raw_fd(), Shutdown::Both)?)
    }
}
