//! The sockets of a server.

use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use lab_core::service::{Context, Conversation, Report, ServiceError, Spans};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::settings::{LISTENER, Settings};
use super::view::{LARGEST_UDP, Views};

/// Most questions worked on at once; more over UDP are lost, as on any busy server.
const AT_ONCE: usize = 512;
/// Most connections.
const CONNECTIONS: usize = 256;
/// How long a connection may be idle (RFC 7766 §6.2.3).
const IDLE: Duration = Duration::from_secs(10);

struct Server {
    views: RwLock<Arc<Views>>,
    questions: Semaphore,
    connections: Semaphore,
    spans: Spans,
}

/// Serves until it is told to stop.
pub(super) async fn run(mut context: Context) -> Result<(), ServiceError> {
    let views = read(&context.settings.borrow_and_update())?;
    let server = Arc::new(Server::new(views, context.spans.clone()));
    let mut tasks = JoinSet::new();
    for socket in context.take_udp(LISTENER).map_err(ServiceError::new)? {
        tasks.spawn(Arc::clone(&server).serve_udp(Arc::new(socket)));
    }
    for listener in context.take_tcp(LISTENER).map_err(ServiceError::new)? {
        tasks.spawn(Arc::clone(&server).serve_tcp(listener));
    }
    let _ = context.report.send(Report::Ready);
    let mut settings = context.settings.clone();
    loop {
        tokio::select! {
            () = context.stopped() => return Ok(()),
            changed = settings.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let views = read(&settings.borrow_and_update());
                match views {
                    Ok(views) => server.replace(views),
                    Err(error) => tracing::error!("the new zones are not taken: {error}"),
                }
            }
            Some(ended) = tasks.join_next() => {
                return Err(ServiceError::new(match ended {
                    Ok(error) => error,
                    Err(panic) => panic.to_string(),
                }));
            }
        }
    }
}

fn read(settings: &Value) -> Result<Views, ServiceError> {
    serde_json::from_value::<Settings>(settings.clone())
        .map(Views::new)
        .map_err(ServiceError::new)
}

/// The answer to one datagram from a client, by a server with these settings; none where there
/// is to be none.
pub(super) async fn answer(settings: &Value, bytes: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let spans = Spans::unwatched();
    let conversation = Conversation::udp(from, from, &spans);
    Server::new(read(settings).ok()?, spans)
        .datagram(bytes, &conversation)
        .await
}

impl Server {
    fn new(views: Views, spans: Spans) -> Self {
        Self {
            views: RwLock::new(Arc::new(views)),
            questions: Semaphore::new(AT_ONCE),
            connections: Semaphore::new(CONNECTIONS),
            spans,
        }
    }

    fn replace(&self, views: Views) {
        // A panic while the lock was held left a whole value behind: it is replaced anyway.
        *self
            .views
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(views);
    }

    /// The answer to a packet, if there is to be one.
    async fn answer(
        &self,
        bytes: &[u8],
        conversation: &Conversation,
    ) -> Option<(Message, Message)> {
        let from = conversation.tuple.source;
        let request = match Message::from_vec(bytes) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!("a packet from {from} is no DNS message: {error}");
                let id = u16::from_be_bytes(*bytes.first_chunk()?);
                // A response that is no good gets no response: that could go on for ever.
                if bytes.get(2)? & 0x80 != 0 {
                    return None;
                }
                let mut refusal = Message::response(id, hickory_proto::op::OpCode::Query);
                refusal.metadata.response_code = ResponseCode::FormErr;
                return Some((refusal.clone(), refusal));
            }
        };
        let views = Arc::clone(
            &self
                .views
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        let response = views.answer(&request, conversation).await?;
        Some((request, response))
    }

    /// The answer to a datagram, cut down to what the client takes.
    async fn datagram(&self, bytes: &[u8], conversation: &Conversation) -> Option<Vec<u8>> {
        let (request, response) = self.answer(bytes, conversation).await?;
        let limit = request.max_payload().min(LARGEST_UDP);
        let bytes = response.to_vec().ok()?;
        if bytes.len() <= usize::from(limit) {
            return Some(bytes);
        }
        response.truncate().to_vec().ok()
    }

    async fn serve_udp(self: Arc<Self>, socket: Arc<UdpSocket>) -> String {
        let own = match socket.local_addr() {
            Ok(own) => own,
            Err(error) => return format!("UDP: {error}"),
        };
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let (length, from) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                // An ICMP error about an earlier answer arrives here.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return format!("UDP: {error}"),
            };
            let server = Arc::clone(&self);
            let (socket, bytes) = (Arc::clone(&socket), buffer[..length].to_vec());
            tokio::spawn(async move {
                let Ok(_room) = server.questions.try_acquire() else {
                    return;
                };
                let conversation = Conversation::udp(from, own, &server.spans);
                if let Some(bytes) = server.datagram(&bytes, &conversation).await {
                    let _ = socket.send_to(&bytes, from).await;
                }
            });
        }
    }

    async fn serve_tcp(self: Arc<Self>, listener: TcpListener) -> String {
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A connection that was reset in the queue, or no descriptor left just now.
                    tracing::warn!("TCP: {error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let server = Arc::clone(&self);
            tokio::spawn(async move {
                let Ok(_room) = server.connections.try_acquire() else {
                    return;
                };
                if let Err(error) = server.talk(stream, from).await {
                    tracing::debug!("{from}: {error}");
                }
            });
        }
    }

    /// Questions of one connection, one after the other.
    async fn talk(&self, mut stream: TcpStream, from: SocketAddr) -> std::io::Result<()> {
        let conversation = Conversation::tcp(from, stream.local_addr()?, &self.spans);
        loop {
            let Ok(length) = timeout(IDLE, stream.read_u16()).await else {
                return Ok(());
            };
            let Ok(length) = length else { return Ok(()) };
            let mut bytes = vec![0; usize::from(length)];
            timeout(IDLE, stream.read_exact(&mut bytes)).await??;
            let Some((_, response)) = self.answer(&bytes, &conversation).await else {
                return Ok(());
            };
            let bytes = response.to_vec().map_err(std::io::Error::other)?;
            let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
            timeout(
                IDLE,
                stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()),
            )
            .await??;
        }
    }
}
