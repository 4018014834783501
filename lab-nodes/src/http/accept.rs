//! Connections from clients.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use lab_core::observe::Deed;
use lab_core::service::{Conversation, Spans};

use super::body::Body;
use super::linger::Lingering;
use crate::tls;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take for the head of a request, the wait on an idle connection included.
const HEAD: Duration = Duration::from_secs(30);
/// Most bytes of a request's head.
const LONGEST_HEAD: usize = 64 << 10;
/// Most connections of one listening socket; further ones are closed at once.
const MOST_CONNECTIONS: usize = 4096;
/// How long running requests may go on when the service shall end.
const FAREWELL: Duration = Duration::from_millis(500);
/// Pause after a refused `accept` (no descriptors left), so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Where it comes from.
    pub address: SocketAddr,
    /// It speaks TLS.
    pub secure: bool,
    /// The host it asked for in the TLS handshake (RFC 6066 §3), in lower case.
    pub server_name: Option<String>,
    /// Its certificate, verified against the lab's CA.
    pub certificate: Option<CertificateDer<'static>>,
    /// What is told of it to those who watch.
    pub conversation: Conversation,
    /// Notified by the service: the connection ends after the request in hand.
    pub hang_up: Arc<Notify>,
}

/// Serves all connections of a listening socket until `stop` becomes true; `meet` makes the
/// service of one connection. With `tls` clients must speak it. What a client does wrong ends
/// its own connection only.
pub async fn accept<M, S>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    spans: Spans,
    mut stop: watch::Receiver<bool>,
    meet: M,
) where
    M: Fn(Visitor) -> S + Clone + Send + 'static,
    S: HttpService<Incoming, ResBody = Body> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    let told = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= MOST_CONNECTIONS => {
                    tracing::warn!("more than {MOST_CONNECTIONS} connections: one was closed");
                }
                Ok((stream, address)) => {
                    let (tls, stop, meet) = (tls.clone(), told.clone(), meet.clone());
                    let own = stream.local_addr().unwrap_or(address);
                    let conversation = Conversation::tcp(address, own, &spans);
                    connections.spawn(async move {
                        let served = serve(stream, address, conversation, tls, stop, meet).await;
                        if let Err(reason) = served {
                            tracing::debug!("connection of {address} closed: {reason}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(FAREWELL, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could say stop is gone: that is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

type Closed = Box<dyn std::error::Error + Send + Sync>;

async fn serve<M, S>(
    stream: TcpStream,
    address: SocketAddr,
    conversation: Conversation,
    tls: Option<Arc<ServerConfig>>,
    stop: watch::Receiver<bool>,
    meet: M,
) -> Result<(), Closed>
where
    M: Fn(Visitor) -> S,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Closed>,
{
    let _ = stream.set_nodelay(true);
    let mut visitor = Visitor {
        address,
        secure: tls.is_some(),
        server_name: None,
        certificate: None,
        conversation,
        hang_up: Arc::new(Notify::new()),
    };
    let hang_up = visitor.hang_up.clone();
    let stream = Lingering::new(stream);
    let Some(config) = tls else {
        return converse(stream, meet(visitor), hang_up, stop).await;
    };
    let handshake = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream));
    let stream = match handshake.await.map_err(io::Error::from).flatten() {
        Ok(stream) => stream,
        Err(reason) => {
            visitor.conversation.tell(|| Deed::TlsFailed {
                reason: reason.to_string(),
            });
            return Err(reason.into());
        }
    };
    let session = stream.get_ref().1;
    visitor.server_name = session.server_name().map(str::to_ascii_lowercase);
    visitor.certificate = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.clone().into_owned());
    visitor.conversation.tell(|| Deed::Tls {
        name: visitor.server_name.clone(),
        version: tls::version_of(session),
        client: visitor.certificate.as_ref().and_then(tls::name_in),
    });
    converse(stream, meet(visitor), hang_up, stop).await
}

async fn converse<I, S>(
    stream: I,
    service: S,
    hang_up: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Closed>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Closed>,
{
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = hang_up.notified() => {}
        () = stopped(&mut stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    Ok(connection.await?)
}
