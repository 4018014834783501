//! TLS in TDS 7.x: the handshake travels in PRELOGIN packets, what follows does not
//! ([MS-TDS] §3.2.5.3, §3.3.5.2).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::packet::{HEADER, Kind, packets};

/// What a record of TLS begins with (RFC 8446 §5.1); a packet begins with 0x12.
const RECORDS: std::ops::RangeInclusive<u8> = 0x14..=0x17;
/// Packets of a handshake.
const SIZE: usize = 4096;

/// A connection whose handshake is wrapped.
#[derive(Debug)]
pub struct Wrapped<S> {
    stream: S,
    /// What is written is wrapped.
    wrapping: bool,
    /// What is read is wrapped, until a record of TLS begins where a packet should: TLS reads on
    /// when its handshake is over.
    unwrapping: bool,
    /// A packet has been read.
    begun: bool,
    header: Vec<u8>,
    /// Bytes of the packet in hand that are still to be read.
    left: usize,
    /// What was written since the last flush, then the packets of it.
    writing: Vec<u8>,
    sending: Vec<u8>,
}

impl<S> Wrapped<S> {
    /// From now on all is wrapped.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            wrapping: true,
            unwrapping: true,
            begun: false,
            header: Vec::new(),
            left: 0,
            writing: Vec::new(),
            sending: Vec::new(),
        }
    }

    /// The handshake is done: nothing that is written is wrapped any more.
    pub fn unwrap_from_now(&mut self) {
        self.wrapping = false;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wrapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unwrapping {
            if this.header.is_empty() {
                return Pin::new(&mut this.stream).poll_read(context, buffer);
            }
            let room = this.header.len().min(buffer.remaining());
            buffer.put_slice(&this.header[..room]);
            this.header.drain(..room);
            return Poll::Ready(Ok(()));
        }
        while this.left == 0 {
            let mut bytes = [0; HEADER];
            let mut part = ReadBuf::new(&mut bytes[..HEADER - this.header.len()]);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.header.extend_from_slice(part.filled());
            if this.begun && RECORDS.contains(&this.header[0]) {
                this.unwrapping = false;
                return self.poll_read(context, buffer);
            }
            let Some(header) = this.header.first_chunk::<HEADER>() else {
                continue;
            };
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if Kind::of(header[0]) != Some(Kind::Prelogin) || length < HEADER {
                let text = "a TLS handshake that is not in PRELOGIN packets";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
            }
            this.left = length - HEADER;
            this.begun = true;
            this.header.clear();
        }
        let mut bytes = [0; 2048];
        let room = bytes.len().min(this.left).min(buffer.remaining());
        let mut part = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.put_slice(part.filled());
        this.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Wrapped<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sending.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.sending))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wrapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.wrapping {
            self.writing.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.writing.is_empty() {
            let whole = packets(Kind::Prelogin, SIZE, &self.writing);
            self.writing.clear();
            self.sending.extend(whole);
        }
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
