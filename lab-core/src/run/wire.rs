//! Frames of the control protocol: a little-endian `u32` length, then JSON. Descriptors travel
//! beside the first byte.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::control::MAX_MESSAGE;
use crate::kernel::process::adopt;

/// Most descriptors waiting on one connection.
const MAX_DESCRIPTORS: usize = 16;
/// Most descriptors that one message can carry (SCM_MAX_FD). There is room for all of them: those
/// that find none are closed by the kernel, but those that did would be left open here.
const MAX_AT_ONCE: usize = 253;

/// What has arrived and was not taken yet.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Descriptors, in the order they came.
    pub descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Reads once from a socket; false at its end.
    ///
    /// # Errors
    /// `WouldBlock` on a non-blocking socket, `InvalidData` when the peer floods us.
    pub fn fill(&mut self, socket: RawFd) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let mut space = nix::cmsg_space!([RawFd; MAX_AT_ONCE]);
        let mut slices = [IoSliceMut::new(&mut chunk)];
        let message = loop {
            match recvmsg::<()>(
                socket,
                &mut slices,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::ECONNRESET) => return Ok(false),
                result => break result?,
            }
        };
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = control {
                self.descriptors.extend(raw.into_iter().map(adopt));
            }
        }
        let length = message.bytes;
        if self.descriptors.len() > MAX_DESCRIPTORS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "too many descriptors",
            ));
        }
        self.bytes.extend_from_slice(&chunk[..length]);
        Ok(length > 0)
    }

    /// Takes the next whole message.
    ///
    /// # Errors
    /// `InvalidData` for a message that is too long or no JSON of the type.
    pub fn take<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some((message, length)) = first(&self.bytes)? else {
            return Ok(None);
        };
        self.bytes.drain(..length);
        Ok(Some(message))
    }
}

/// The first message of what has arrived, and how many bytes it takes; none until it is whole.
///
/// # Errors
/// `InvalidData` for a message that is too long or no JSON of the type.
pub fn first<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<Option<(T, usize)>> {
    let Some((header, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*header);
    if length > MAX_MESSAGE {
        let text = format!("a message of {length} bytes; {MAX_MESSAGE} are the most");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let Some(body) = rest.get(..length as usize) else {
        return Ok(None);
    };
    Ok(Some((serde_json::from_slice(body)?, 4 + body.len())))
}

/// What is still to be sent.
pub(super) struct Outbox<'a> {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: &'a [BorrowedFd<'a>],
}

impl<'a> Outbox<'a> {
    /// Frames a message.
    ///
    /// # Errors
    /// It is too long.
    pub fn new<T: Serialize>(message: &T, descriptors: &'a [BorrowedFd<'a>]) -> io::Result<Self> {
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len())
            .ok()
            .filter(|length| *length <= MAX_MESSAGE);
        let length = length
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the message is too long"))?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(body);
        Ok(Self {
            bytes,
            sent: 0,
            descriptors,
        })
    }

    /// Sends what the socket takes; true when all is sent.
    ///
    /// # Errors
    /// `WouldBlock` on a non-blocking socket, `BrokenPipe` when the peer is gone.
    pub fn drain(&mut self, socket: RawFd) -> io::Result<bool> {
        let raw: Vec<RawFd> = self.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if self.sent > 0 || raw.is_empty() {
            &[]
        } else {
            &rights
        };
        let rest = [IoSlice::new(&self.bytes[self.sent..])];
        match sendmsg::<()>(socket, &rest, control, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(count) => self.sent += count,
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.sent == self.bytes.len())
    }
}
