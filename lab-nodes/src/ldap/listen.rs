//! Listening sockets.

use std::sync::Arc;
use std::time::Duration;

use lab_core::service::{Conversation, Spans};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Caller;
use super::connection::{serve, stopped};
use super::server::Server;
use super::session::Session;

/// Most connections of one listening socket; further ones are closed at once.
const MOST_CONNECTIONS: usize = 1024;
/// Pause after a refused `accept` (no descriptors left), so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);
/// How long connections may take to end when the server does.
const FAREWELL: Duration = Duration::from_millis(600);

/// Serves all connections of a listening socket until `stop` becomes true. With `at_once` they begin
/// with TLS, else they may ask for it.
pub async fn listen(
    listener: TcpListener,
    server: Arc<Server>,
    tls: Arc<ServerConfig>,
    at_once: bool,
    spans: Spans,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    let told = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let Ok(room) = Arc::clone(&room).try_acquire_owned() else {
                        tracing::warn!("more than {MOST_CONNECTIONS} connections: that of {address} was closed");
                        continue;
                    };
                    let own = stream.local_addr().unwrap_or(address);
                    let caller = Caller {
                        address,
                        secure: false,
                        certificate: None,
                        conversation: Conversation::tcp(address, own, &spans),
                    };
                    let session = Session::new(Arc::clone(&server), caller);
                    let (tls, stop) = (Arc::clone(&tls), told.clone());
                    connections.spawn(async move {
                        let _room = room;
                        if let Err(reason) = serve(stream, session, tls, at_once, stop).await {
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
