//! The connection to another member: questions go out over it one after the other, and answers come
//! back in the same order. It is made again for as long as the cache runs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lab_core::plan::Peer;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::client::TlsStream;

use super::cache::Shared;
use super::store::{Entry, Merged};
use super::token::Key;
use super::wire::Frame;
use crate::http::dial;

/// How long another member may take to answer. Nodes of a segment are microseconds apart.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);
/// How long a whole copy may take.
const COPY: Duration = Duration::from_secs(5);
/// Pause before a connection that failed is made again.
const PAUSE: Duration = Duration::from_millis(100);
/// Questions that may wait to be sent.
const WAITING: usize = 1024;

/// A link to one other member.
pub(super) struct Link {
    peer: Peer,
    to: SocketAddr,
    client: Arc<ClientConfig>,
    /// Where questions go while the link is up.
    up: Mutex<Option<mpsc::Sender<Question>>>,
}

struct Question {
    frame: Frame,
    answer: oneshot::Sender<Frame>,
}

type Reader = BufReader<ReadHalf<TlsStream<TcpStream>>>;
type Writer = BufWriter<WriteHalf<TlsStream<TcpStream>>>;

impl Link {
    pub fn new(peer: Peer, port: u16, client: Arc<ClientConfig>) -> Self {
        Self {
            to: SocketAddr::new(peer.address, port),
            peer,
            client,
            up: Mutex::new(None),
        }
    }

    /// Tells the member of an entry. None: it is not there.
    pub async fn tell(&self, key: Key, entry: &Entry) -> Option<Merged> {
        match self.ask(Frame::Entry(key, entry.clone())).await? {
            Frame::Done => Some(Merged::Taken),
            Frame::Conflict => Some(Merged::Conflict),
            _ => self.down("it answers what it was not asked"),
        }
    }

    /// What the member knows of a key.
    pub async fn look_up(&self, key: Key) -> Option<Entry> {
        match self.ask(Frame::Ask(key)).await? {
            Frame::Entry(of, entry) if of == key => Some(entry),
            Frame::Done => None,
            _ => self.down("it answers what it was not asked"),
        }
    }

    async fn ask(&self, frame: Frame) -> Option<Frame> {
        let questions = self.lock().clone()?;
        let (answer, answered) = oneshot::channel();
        let asked = async {
            questions.send(Question { frame, answer }).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Some(answer)) => Some(answer),
            // The link ended, and says why itself.
            Ok(None) => None,
            Err(_) => self.down("it does not answer"),
        }
    }

    fn down<T>(&self, why: &str) -> Option<T> {
        if self.lock().take().is_some() {
            tracing::warn!("{} is left out of the cache: {why}", self.peer.node);
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Question>>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the link up. `tried` becomes true after the first attempt, with whatever came of it.
    pub async fn keep(self: Arc<Self>, shared: Arc<Shared>, tried: watch::Sender<bool>) {
        loop {
            let ended = match self.open().await {
                Ok((reader, writer)) => self.converse(&shared, reader, writer, &tried).await,
                Err(why) => why,
            };
            self.lock().take();
            tried.send_replace(true);
            tracing::debug!("no link to {}: {ended}", self.peer.node);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn open(&self) -> Result<(Reader, Writer), String> {
        let connect = async {
            let stream = dial::tcp(self.to).await?;
            dial::tls(stream, &self.client, &self.peer.fqdn).await
        };
        let stream = tokio::time::timeout(PATIENCE, connect)
            .await
            .map_err(|_| "no connection in time".to_owned())?
            .map_err(|error| error.to_string())?;
        let (reader, writer) = tokio::io::split(stream);
        Ok((BufReader::new(reader), BufWriter::new(writer)))
    }

    /// From now on changes go to the member. What was changed before is copied, both ways.
    async fn converse(
        &self,
        shared: &Shared,
        mut reader: Reader,
        mut writer: Writer,
        tried: &watch::Sender<bool>,
    ) -> String {
        let (sender, mut questions) = mpsc::channel::<Question>(WAITING);
        let copied = tokio::time::timeout(COPY, copy(shared, &mut reader, &mut writer)).await;
        match copied {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return why,
            Err(_) => return "a copy of what it knows took too long".to_owned(),
        }
        *self.lock() = Some(sender);
        // What was changed while the copy came is known here, and goes out again with all the rest.
        let known = shared.everything();
        tried.send_replace(true);
        tracing::debug!("the link to {} is up", self.peer.node);
        let (waiting, mut answers) = mpsc::unbounded_channel::<Option<oneshot::Sender<Frame>>>();
        let ask = async {
            for (key, entry) in known {
                send(&mut writer, &Frame::Entry(key, entry)).await?;
                let _ = waiting.send(None);
            }
            writer.flush().await.map_err(|error| error.to_string())?;
            while let Some(question) = questions.recv().await {
                send(&mut writer, &question.frame).await?;
                let _ = waiting.send(Some(question.answer));
                if questions.is_empty() {
                    writer.flush().await.map_err(|error| error.to_string())?;
                }
            }
            Err::<(), _>("it was left out".to_owned())
        };
        let hear = async {
            loop {
                let frame = receive(&mut reader).await?;
                match answers.try_recv() {
                    Ok(Some(asked)) => {
                        // Who asked may have given up.
                        let _ = asked.send(frame);
                    }
                    Ok(None) => {}
                    Err(_) => return Err::<(), _>("it answers unasked".to_owned()),
                }
            }
        };
        tokio::select! {
            ended = ask => ended,
            ended = hear => ended,
        }
        .err()
        .unwrap_or_default()
    }
}

/// Takes in all that the member knows.
async fn copy(shared: &Shared, reader: &mut Reader, writer: &mut Writer) -> Result<(), String> {
    send(writer, &Frame::Everything).await?;
    writer.flush().await.map_err(|error| error.to_string())?;
    loop {
        match receive(reader).await? {
            Frame::Entry(key, entry) => {
                shared.merge(key, entry);
            }
            Frame::Done => return Ok(()),
            _ => return Err("it answers what it was not asked".to_owned()),
        }
    }
}

pub(super) async fn send<W>(writer: &mut W, frame: &Frame) -> Result<(), String>
where
    W: AsyncWriteExt + Unpin,
{
    writer
        .write_all(&frame.write())
        .await
        .map_err(|error| error.to_string())
}

pub(super) async fn receive<R>(reader: &mut R) -> Result<Frame, String>
where
    R: AsyncReadExt + Unpin,
{
    let mut head = [0; 4];
    reader
        .read_exact(&mut head)
        .await
        .map_err(|error| error.to_string())?;
    let length = Frame::length(head).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; length];
    reader
        .read_exact(&mut bytes)
        .await
        .map_err(|error| error.to_string())?;
    Frame::read(&bytes).map_err(|error| error.to_string())
}
