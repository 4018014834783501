//! The sockets of the key distribution center (RFC 4120 §7.2).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab_core::service::{Conversation, Spans};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::kdc::{DATAGRAM, Kdc};

/// Most connections.
const CONNECTIONS: usize = 256;
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// A request has no more bytes; real ones have a few thousand.
const REQUEST: usize = 64 * 1024;
/// Answers that are kept for clients who ask again because a datagram was lost.
const KEPT: usize = 128;
/// How long they are kept; clients ask again after a second or a few.
const KEEP: Duration = Duration::from_secs(10);

/// Answers to datagrams of late.
#[derive(Default)]
struct Lately(VecDeque<Answered>);

struct Answered {
    at: Instant,
    from: SocketAddr,
    /// SHA-256 of the request.
    request: Vec<u8>,
    answer: Vec<u8>,
}

fn digest(request: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, request)
        .as_ref()
        .to_vec()
}

impl Lately {
    /// What the same request from the same socket was answered: it is no replay but a
    /// retransmission.
    fn find(&mut self, from: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
        while self.0.front().is_some_and(|one| one.at.elapsed() > KEEP) {
            self.0.pop_front();
        }
        let mut all = self.0.iter().filter(|one| one.from == from);
        let request = digest(request);
        all.find(|one| one.request == request)
            .map(|one| one.answer.clone())
    }

    fn keep(&mut self, from: SocketAddr, request: &[u8], answer: &[u8]) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Answered {
            at: Instant::now(),
            from,
            request: digest(request),
            answer: answer.to_vec(),
        });
    }
}

/// Serves datagrams until the socket fails; says why it did.
pub(super) async fn serve_udp(kdc: Arc<Kdc>, socket: UdpSocket, spans: Spans) -> String {
    let own = match socket.local_addr() {
        Ok(own) => own,
        Err(error) => return format!("UDP: {error}"),
    };
    let mut lately = Lately::default();
    let mut buffer = vec![0; REQUEST];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An ICMP error about an earlier answer arrives here.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return format!("UDP: {error}"),
        };
        let request = &buffer[..length];
        let answer = lately.find(from, request).or_else(|| {
            let conversation = Conversation::udp(from, own, &spans);
            let answer = kdc.answer(request, &conversation, DATAGRAM)?;
            lately.keep(from, request, &answer);
            Some(answer)
        });
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// Serves connections until the socket fails; says why it did.
pub(super) async fn serve_tcp(kdc: Arc<Kdc>, listener: TcpListener, spans: Spans) -> String {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
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
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!("{from} is turned away: {CONNECTIONS} connections are open");
            continue;
        };
        let (kdc, spans) = (Arc::clone(&kdc), spans.clone());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = talk(&kdc, stream, from, &spans).await {
                tracing::debug!("{from}: {error}");
            }
        });
    }
}

/// Requests of one connection, each behind its length (RFC 4120 §7.2.2).
async fn talk(
    kdc: &Kdc,
    mut stream: TcpStream,
    from: SocketAddr,
    spans: &Spans,
) -> std::io::Result<()> {
    let conversation = Conversation::tcp(from, stream.local_addr()?, spans);
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u32()).await else {
            return Ok(());
        };
        let Ok(length) = length else { return Ok(()) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > REQUEST {
            tracing::warn!("{from} is hung up on: it announces a request of {length} bytes");
            return write(&mut stream, &kdc.too_long(length)).await;
        }
        let mut request = vec![0; length];
        timeout(IDLE, stream.read_exact(&mut request)).await??;
        let Some(answer) = kdc.answer(&request, &conversation, usize::MAX) else {
            return Ok(());
        };
        write(&mut stream, &answer).await?;
    }
}

async fn write(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(answer.len()).map_err(std::io::Error::other)?;
    let framed = [&length.to_be_bytes()[..], answer].concat();
    timeout(IDLE, stream.write_all(&framed)).await?
}
