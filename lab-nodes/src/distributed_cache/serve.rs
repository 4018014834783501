//! Connections from other members.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::cache::Shared;
use super::link::{receive, send};
use super::store::Merged;
use super::wire::Frame;
use crate::tls;

/// How long a member may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// Most connections; further ones are closed at once. Each member has one, and perhaps one that it
/// does not know to be dead.
const MOST: usize = 64;
/// Pause after a refused `accept` (no descriptors left), so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the members of these names until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    members: Arc<[String]>,
    shared: Arc<Shared>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= MOST => {
                    tracing::warn!("more than {MOST} connections to the cache: one was closed");
                }
                Ok((stream, from)) => {
                    let (config, members) = (config.clone(), members.clone());
                    let shared = shared.clone();
                    connections.spawn(async move {
                        let Err(why) = converse(stream, config, &members, &shared).await;
                        tracing::debug!("the connection of {from} to the cache ended: {why}");
                    });
                }
                Err(error) => {
                    tracing::warn!("a connection to the cache could not be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    members: &[String],
    shared: &Shared,
) -> Result<std::convert::Infallible, String> {
    let _ = stream.set_nodelay(true);
    let stream = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream))
        .await
        .map_err(|_| "no handshake in time".to_owned())?
        .map_err(|error| error.to_string())?;
    let certificate = stream.get_ref().1.peer_certificates();
    let member = certificate
        .and_then(|chain| chain.first())
        .is_some_and(|leaf| tls::is_for(leaf, members.iter().map(String::as_str)));
    if !member {
        return Err("it shows no certificate of a member".to_owned());
    }
    let (reader, writer) = tokio::io::split(stream);
    let (mut reader, mut writer) = (BufReader::new(reader), BufWriter::new(writer));
    loop {
        match receive(&mut reader).await? {
            Frame::Entry(key, entry) => {
                let answer = match shared.merge(key, entry) {
                    Merged::Conflict => Frame::Conflict,
                    Merged::Taken | Merged::Full => Frame::Done,
                };
                send(&mut writer, &answer).await?;
            }
            Frame::Ask(key) => {
                let known = shared.get(&key);
                let answer = known.map_or(Frame::Done, |entry| Frame::Entry(key, entry));
                send(&mut writer, &answer).await?;
            }
            Frame::Everything => {
                for (key, entry) in shared.everything() {
                    send(&mut writer, &Frame::Entry(key, entry)).await?;
                }
                send(&mut writer, &Frame::Done).await?;
            }
            Frame::Done | Frame::Conflict => return Err("it answers unasked".to_owned()),
        }
        if reader.buffer().is_empty() {
            writer.flush().await.map_err(|error| error.to_string())?;
        }
    }
}
