//! How a connection begins: PRELOGIN and the TLS handshake are made here, since only here the lab's
//! CA is known and nothing but it is trusted. tiberius begins within TLS: it says PRELOGIN, too, and
//! hears the server's answer again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tds::handshake::Wrapped;
use crate::tds::packet::{Assembler, DEFAULT_SIZE, HEADER, Kind, packets};
use crate::tds::prelogin::{Encryption, Prelogin};

/// Longest answer to PRELOGIN, in bytes.
const LONGEST: usize = 4096;

/// A TCP connection that can be looked at while somebody else reads and writes it.
#[derive(Clone, Debug)]
pub(super) struct Shared(pub Arc<TcpStream>);

impl Shared {
    /// Whether the other end has closed it, or said something that nobody asked for.
    pub fn is_over(&self) -> bool {
        let mut byte = [0; 1];
        match self.0.try_read(&mut byte) {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        }
    }
}

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write))
    }
}

/// What tiberius reads and writes: within TLS, behind PRELOGIN.
pub(super) struct Door {
    stream: TlsStream<Wrapped<Shared>>,
    /// Bytes of tiberius' own PRELOGIN that are still to come; its header first.
    swallowed: Vec<u8>,
    done: bool,
    /// The server's answer to ours, as far as it is still to be read.
    answer: Vec<u8>,
}

/// Asks for encryption, verifies that the server is the one of that name.
///
/// # Errors
/// A sentence.
pub(super) async fn enter(
    stream: TcpStream,
    name: &str,
    config: &ClientConfig,
) -> io::Result<(Door, Shared)> {
    let shared = Shared(Arc::new(stream));
    let mut stream = shared.clone();
    let asked = Prelogin {
        version: [0; 6],
        encryption: Encryption::On,
        federated: false,
    };
    let request = packets(Kind::Prelogin, DEFAULT_SIZE, &asked.write());
    stream.write_all(&request).await?;
    let mut assembler = Assembler::default();
    let answer = loop {
        if let Some(answer) = assembler.next(LONGEST).map_err(io::Error::other)? {
            break answer;
        }
        let mut buffer = [0; 512];
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => assembler.feed(&buffer[..count]),
        }
    };
    let said = Prelogin::read(&answer.body).map_err(io::Error::other)?;
    if !matches!(said.encryption, Encryption::On | Encryption::Required) {
        return Err(io::Error::other("the server does not encrypt"));
    }
    let mut config = config.clone();
    config.alpn_protocols.clear();
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, Wrapped::new(stream)).await?;
    stream.get_mut().0.unwrap_from_now();
    let answer = Prelogin {
        encryption: Encryption::NotSupported,
        ..said
    };
    let door = Door {
        stream,
        swallowed: Vec::new(),
        done: false,
        answer: packets(Kind::Response, DEFAULT_SIZE, &answer.write()),
    };
    Ok((door, shared))
}

/// Addresses of both ends.
pub(super) fn ends(stream: &TcpStream, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    (stream.local_addr().unwrap_or(to), to)
}

impl futures::io::AsyncRead for Door {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.answer.is_empty() {
            let count = self.answer.len().min(bytes.len());
            bytes[..count].copy_from_slice(&self.answer[..count]);
            self.answer.drain(..count);
            return Poll::Ready(Ok(count));
        }
        let mut buffer = ReadBuf::new(bytes);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl futures::io::AsyncWrite for Door {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.done {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        let wanted = match self.swallowed.first_chunk::<HEADER>() {
            Some(header) => usize::from(u16::from_be_bytes([header[2], header[3]])),
            None => HEADER,
        };
        let count = wanted.saturating_sub(self.swallowed.len()).min(bytes.len());
        self.swallowed.extend_from_slice(&bytes[..count]);
        let length = self.swallowed.len();
        self.done = length > HEADER && length >= wanted;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
