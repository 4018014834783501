//! A connection: its socket, TLS and layers around a [`Session`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lab_core::observe::Deed;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::bind::Layer;
use super::session::{Session, Turn};
use super::{Code, wire};
use crate::tls;

/// How long a client may take for the TLS handshake, for a message that it has begun, or for taking
/// what it asked for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client that has not said who it is may be silent: AD's InitRecvTimeout ([MS-ADTS]
/// §3.1.1.3.4.6).
const IDLE_UNKNOWN: Duration = Duration::from_secs(120);
/// How long one may that has: AD's MaxConnIdleTime.
const IDLE_KNOWN: Duration = Duration::from_secs(900);
/// Bytes that wait for the client to take them; above, nothing more is looked for.
const WAITING: usize = 64 << 10;
/// Bytes read at once.
const PIECE: usize = 16 << 10;

/// Serves a connection until its end. With `at_once` it begins with TLS.
///
/// # Errors
/// Why it ended, if not by the client's wish.
pub async fn serve(
    stream: TcpStream,
    mut session: Session,
    tls: Arc<ServerConfig>,
    at_once: bool,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let stream = if at_once {
        stream
    } else {
        match converse(stream, &mut session, stop.clone()).await? {
            End::Closed => return Ok(()),
            End::StartTls(stream) => stream,
        }
    };
    let conversation = session.caller().conversation.clone();
    let handshake = timeout(PATIENCE, TlsAcceptor::from(tls).accept(stream));
    let stream = match handshake.await.map_err(io::Error::from).flatten() {
        Ok(stream) => stream,
        Err(reason) => {
            conversation.tell(|| Deed::TlsFailed {
                reason: reason.to_string(),
            });
            return Err(reason);
        }
    };
    let connection = stream.get_ref().1;
    let certificate = connection.peer_certificates();
    let certificate = certificate.and_then(|chain| chain.first());
    let certificate = certificate.map(|leaf| leaf.clone().into_owned());
    conversation.tell(|| Deed::Tls {
        name: connection.server_name().map(str::to_ascii_lowercase),
        version: tls::version_of(connection),
        client: certificate.as_ref().and_then(tls::name_in),
    });
    session.now_secure(certificate);
    converse(stream, &mut session, stop).await?;
    Ok(())
}

enum End<S> {
    Closed,
    StartTls(S),
}

/// Bytes on their way in and out.
struct Flow {
    /// As they came.
    inbox: Vec<u8>,
    /// Opened, where a layer protects them.
    opened: Vec<u8>,
    /// Answers, not yet protected.
    answers: Vec<u8>,
    /// On their way.
    outbox: Vec<u8>,
    layer: Option<Layer>,
    /// What happens when all answers are out.
    then: Option<Turn>,
}

/// Messages there and answers back until the end, or TLS.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    session: &mut Session,
    mut stop: watch::Receiver<bool>,
) -> io::Result<End<S>> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut flow = Flow {
        inbox: Vec::new(),
        opened: Vec::new(),
        answers: Vec::new(),
        outbox: Vec::new(),
        layer: None,
        then: None,
    };
    let mut heard = Instant::now();
    let mut taken = Instant::now();
    let mut unflushed = false;
    let mut gone = false;
    loop {
        let more = flow.work(session);
        if flow.outbox.is_empty() && !unflushed && !more {
            match flow.then.take() {
                Some(Turn::StartTls) => {
                    // What a client sent along with its request, in the clear, is nobody's.
                    if !flow.inbox.is_empty() {
                        return Err(io::Error::other("bytes follow the request for STARTTLS"));
                    }
                    return Ok(End::StartTls(reader.unsplit(writer)));
                }
                Some(Turn::Protect(layer)) => {
                    flow.layer = Some(layer);
                    continue;
                }
                Some(Turn::Close) => {
                    let _ = timeout(PATIENCE, writer.shutdown()).await;
                    return Ok(End::Closed);
                }
                Some(Turn::Next) | None if gone => return Ok(End::Closed),
                Some(Turn::Next) | None => {}
            }
        }
        let busy = !flow.outbox.is_empty() || unflushed;
        let reads = !gone && flow.wants_more(session);
        let until = if busy {
            taken + PATIENCE
        } else if !flow.inbox.is_empty() || !flow.opened.is_empty() {
            heard + PATIENCE
        } else if session.is_known() {
            heard + IDLE_KNOWN
        } else {
            heard + IDLE_UNKNOWN
        };
        let had_begun = !flow.inbox.is_empty() || !flow.opened.is_empty();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {
                flow.end(session, Code::UNAVAILABLE, "the server ends");
                flow.farewell(&mut writer).await;
                return Ok(End::Closed);
            }
            written = send(&mut writer, &flow.outbox), if busy => {
                let written = written?;
                flow.outbox.drain(..written);
                unflushed = written > 0;
                taken = Instant::now();
            }
            read = read_more(&mut reader, &mut flow.inbox), if reads => {
                if read? == 0 {
                    gone = true;
                } else if !had_begun {
                    // A message has its time from its first byte on.
                    heard = Instant::now();
                }
            }
            // Others have their turn while a search goes on.
            () = tokio::task::yield_now(), if more => {}
            () = sleep_until(until), if !more || busy => {
                if busy {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes no answers"));
                }
                let why = if had_begun { "a message takes too long" } else { "it was silent for too long" };
                flow.end(session, Code::UNAVAILABLE, why);
                flow.farewell(&mut writer).await;
                return Ok(End::Closed);
            }
        }
        if !busy {
            taken = Instant::now();
        }
    }
}

/// Until the server shall end.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could say stop is gone: that is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Writes some of these bytes, or flushes if there are none; says how many were written. Nothing is
/// lost where it is not awaited to its end.
async fn send<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

async fn read_more<R: AsyncRead + Unpin>(reader: &mut R, inbox: &mut Vec<u8>) -> io::Result<usize> {
    inbox.reserve(PIECE);
    reader.read_buf(inbox).await
}

impl Flow {
    /// Takes the messages that are there and goes on with what they asked for; true: there is more
    /// to be done now.
    fn work(&mut self, session: &mut Session) -> bool {
        while self.then.is_none() && session.has_room() && self.waiting() < WAITING {
            match self.next_message(session) {
                Ok(Some(message)) => match session.take(&message, &mut self.answers) {
                    Turn::Next => {}
                    turn => self.then = Some(turn),
                },
                Ok(None) => break,
                Err(why) => {
                    self.then = Some(session.hang_up(Code::PROTOCOL_ERROR, why, &mut self.answers))
                }
            }
        }
        let ends = matches!(self.then, Some(Turn::Close));
        let more = !ends && self.waiting() < WAITING && session.advance(&mut self.answers);
        self.protect();
        more
    }

    fn waiting(&self) -> usize {
        self.answers.len() + self.outbox.len()
    }

    /// Moves answers on their way.
    fn protect(&mut self) {
        match &mut self.layer {
            Some(layer) => {
                layer.wrap(&self.answers, &mut self.outbox);
                self.answers.clear();
            }
            None => self.outbox.append(&mut self.answers),
        }
    }

    /// The next message, if it is all there.
    fn next_message(&mut self, session: &Session) -> Result<Option<Vec<u8>>, String> {
        let limit = session.longest();
        if let Some(layer) = &mut self.layer {
            loop {
                if let Some(message) = first(&mut self.opened, limit)? {
                    return Ok(Some(message));
                }
                match layer.open(&mut self.inbox, limit) {
                    Ok(Some(piece)) => self.opened.extend(piece),
                    Ok(None) => return Ok(None),
                    Err(broken) => return Err(broken.to_string()),
                }
            }
        }
        first(&mut self.inbox, limit)
    }

    /// Whether more bytes may come: those that are there are all of a message that is not.
    fn wants_more(&self, session: &Session) -> bool {
        self.then.is_none()
            && session.has_room()
            && self.waiting() < WAITING
            && self.inbox.len() < session.longest() + 4096
    }

    fn end(&mut self, session: &Session, code: Code, why: &str) {
        let _ = session.hang_up(code, why, &mut self.answers);
        self.protect();
    }

    /// What is left to say, said if the client takes it at once.
    async fn farewell<W: AsyncWrite + Unpin>(&mut self, writer: &mut W) {
        let said = async {
            writer.write_all(&self.outbox).await?;
            writer.shutdown().await
        };
        let _ = timeout(Duration::from_millis(500), said).await;
    }
}

/// Takes the first message of these bytes, if it is all there.
fn first(bytes: &mut Vec<u8>, limit: usize) -> Result<Option<Vec<u8>>, String> {
    let length = wire::length(bytes, limit).map_err(|why| why.to_string())?;
    let Some(length) = length.map_err(|long| long.to_string())? else {
        return Ok(None);
    };
    if bytes.len() < length {
        return Ok(None);
    }
    let rest = bytes.split_off(length);
    Ok(Some(std::mem::replace(bytes, rest)))
}
