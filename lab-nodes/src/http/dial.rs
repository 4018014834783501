//! Connections to other servers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request, Response};
use lab_core::service::ProbeError;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::body::{Body, BodyError};
use super::standing::Line;

/// Longest answer that is read, in bytes.
pub(super) const LONGEST_ANSWER: usize = 1 << 20;

/// After so long without a word, and from then on as often, the other side is asked whether it is
/// still there.
const SILENCE: Duration = Duration::from_secs(1);
/// So many questions without an answer end the connection.
const QUESTIONS: u32 = 3;

/// Why another server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No TCP connection.
    #[error("no connection to {to}: {reason}")]
    Connect {
        /// Where to.
        to: SocketAddr,
        /// What the kernel said.
        reason: std::io::Error,
    },
    /// The handshake failed, or the certificate is not the one asked for.
    #[error("TLS with {name} failed: {reason}")]
    Tls {
        /// The name its certificate must carry.
        name: String,
        /// What rustls said.
        reason: std::io::Error,
    },
    /// No name that could stand in a certificate.
    #[error("`{0}` is no host name")]
    Name(String),
    /// The answer is no HTTP, or it broke off.
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    /// The request can't be sent as HTTP.
    #[error("no HTTP request: {0}")]
    Request(#[from] hyper::http::Error),
    /// The answer's body.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// A TCP connection from this node.
///
/// # Errors
/// What the kernel says.
pub async fn tcp(to: SocketAddr) -> Result<TcpStream, DialError> {
    let stream = TcpStream::connect(to).await;
    ready(stream, to)
}

/// The same; before its first packet leaves, `announce` is told the port that it comes from.
///
/// # Errors
/// As [`tcp`].
pub async fn tcp_announced(
    to: SocketAddr,
    announce: impl FnOnce(SocketAddr),
) -> Result<TcpStream, DialError> {
    let connect = async { bound(to, announce)?.connect(to).await };
    ready(connect.await, to)
}

fn ready(stream: io::Result<TcpStream>, to: SocketAddr) -> Result<TcpStream, DialError> {
    let stream = stream.map_err(|reason| DialError::Connect { to, reason })?;
    // Requests are small and wait for their answer: Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    // A server that was killed with a request in its hands says nothing, and one that was started
    // in its place knows nothing of the connection: only who asks it gets the reset.
    let asked = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(SILENCE)
        .with_retries(QUESTIONS);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&asked);
    Ok(stream)
}

/// Sees whether a port takes connections, without opening one: the kernel at the other end answers
/// the first packet and hears a reset before the handshake is complete, so that the server there is
/// not even woken. Before its packet leaves, `announce` is told the port that it comes from.
///
/// # Errors
/// What the kernel says.
pub async fn knock(to: SocketAddr, announce: impl FnOnce(SocketAddr)) -> Result<(), DialError> {
    let knock = async {
        let socket = bound(to, announce)?;
        // The acknowledgement that completes the handshake waits for data (tcp(7))…
        SockRef::from(&socket).set_tcp_quickack(false)?;
        // … of which there is none: the socket is closed by a reset.
        socket.set_zero_linger()?;
        socket.connect(to).await.map(drop)
    };
    knock
        .await
        .map_err(|reason| DialError::Connect { to, reason })
}

/// A socket with a port of its own.
fn bound(to: SocketAddr, announce: impl FnOnce(SocketAddr)) -> io::Result<TcpSocket> {
    let (socket, any) = match to {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into()),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into()),
    };
    socket.bind(SocketAddr::new(any, 0))?;
    announce(socket.local_addr()?);
    Ok(socket)
}

/// TLS over a connection; afterwards the server's certificate is verified to carry `name`.
///
/// # Errors
/// The name is none, the handshake fails, or the certificate is another's.
pub async fn tls(
    stream: TcpStream,
    config: &Arc<ClientConfig>,
    name: &str,
) -> Result<TlsStream<TcpStream>, DialError> {
    let server =
        ServerName::try_from(name.to_owned()).map_err(|_| DialError::Name(name.to_owned()))?;
    TlsConnector::from(config.clone())
        .connect(server, stream)
        .await
        .map_err(|reason| DialError::Tls {
            name: name.to_owned(),
            reason,
        })
}

/// Sends one request over a connection of its own and reads the whole answer, at most 1 MiB.
///
/// # Errors
/// The connection fails, the answer is no HTTP or too long.
pub async fn ask<S>(stream: S, request: Request<Body>) -> Result<Response<Bytes>, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Line::over(stream).await?.ask(request).await
}

impl From<DialError> for ProbeError {
    fn from(error: DialError) -> Self {
        Self::new(error)
    }
}
