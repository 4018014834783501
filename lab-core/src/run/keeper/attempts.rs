//! Connections tried from a node, many at once: what a client there would see.

use std::io;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use nix::sys::resource::{Resource, getrlimit};
use tokio::time::{Instant, timeout_at};

use crate::kernel::connect::NodeSockets;
use crate::kernel::netns::NetNs;
use crate::plan::Transport;
use crate::run::control::{Refusal, Tried, Tries, Try};
use crate::service::Connect;

/// Longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(60);
/// Most tries of one request.
const MOST: usize = 100_000;
/// Most sockets of one request.
const AT_ONCE: u64 = 4096;
/// A datagram, or the answer to it, may be lost: it is sent again after so long.
const AGAIN: Duration = Duration::from_millis(400);
/// Largest answer that is passed on, in bytes.
const LARGEST: usize = 4096;

/// Tries all of them.
pub(super) async fn all(namespace: &NetNs, tries: Tries) -> Result<Vec<Tried>, Refusal> {
    if tries.tries.len() > MOST {
        return Err(Refusal {
            message: format!("{} connections at once are too many", tries.tries.len()),
            help: Some(format!("ask for {MOST} at most")),
            code: 2,
        });
    }
    let namespace = namespace.try_clone().map_err(|error| Refusal {
        message: format!("can't make sockets in {}: {error}", tries.node),
        help: None,
        code: 3,
    })?;
    let sockets = NodeSockets::new(namespace);
    let within = Duration::from_millis(tries.within).min(LONGEST);
    // Other requests, and the lab's own sockets, want some, too.
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    let at_once = usize::try_from((limit / 8).clamp(16, AT_ONCE)).unwrap_or(16);
    let tried = stream::iter(tries.tries)
        .map(|one| attempt(&sockets, one, within))
        .buffered(at_once)
        .collect()
        .await;
    Ok(tried)
}

async fn attempt(sockets: &NodeSockets, one: Try, within: Duration) -> Tried {
    let end = Instant::now() + within;
    let outcome = match one.protocol {
        Transport::Tcp => match timeout_at(end, sockets.tcp(one.to)).await {
            Ok(connected) => connected.map(|_| Tried::Connected),
            Err(_) => Ok(Tried::Silent),
        },
        Transport::Udp => datagram(sockets, &one, end).await,
    };
    outcome.unwrap_or_else(|error| what_it_means(&error))
}

async fn datagram(sockets: &NodeSockets, one: &Try, end: Instant) -> io::Result<Tried> {
    let socket = sockets.udp(one.to).await?;
    let mut buffer = vec![0; LARGEST];
    while Instant::now() < end {
        socket.send(&one.datagram).await?;
        let again = end.min(Instant::now() + AGAIN);
        if let Ok(received) = timeout_at(again, socket.recv(&mut buffer)).await {
            let length = received?;
            buffer.truncate(length);
            return Ok(Tried::Answered(buffer));
        }
    }
    Ok(Tried::Silent)
}

fn what_it_means(error: &io::Error) -> Tried {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Tried::Refused,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Tried::Unreachable,
        io::ErrorKind::TimedOut => Tried::Silent,
        _ => Tried::Failed(error.to_string()),
    }
}
