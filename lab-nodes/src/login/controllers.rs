use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lab_core::observe::{Deed, Tuple};
use lab_core::plan::Peer;
use lab_core::service::Conversation;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::extended;
use super::question::{OID, Question, Verdict};
use crate::http::dial;

/// LDAP over TLS.
const PORT: u16 = 636;
/// How long a controller may take to be connected to.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take for an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Most connections that are kept while nobody asks.
const KEPT: usize = 8;
/// Most questions at a time; others wait for their turn.
const AT_A_TIME: usize = 32;
/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// No domain controller answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no domain controller answered: {0}")]
pub struct Unavailable(pub String);

/// The domain controllers, as a member server asks them: the first that answers, over connections
/// that are kept. One that does not answer is asked again only after the others.
pub struct Controllers {
    peers: Vec<Peer>,
    port: u16,
    tls: Arc<ClientConfig>,
    /// The one that answered last.
    first: AtomicUsize,
    idle: Mutex<Vec<Line>>,
    turns: Semaphore,
}

/// A connection to a controller; one question at a time.
struct Line {
    stream: TlsStream<TcpStream>,
    /// Which controller.
    peer: usize,
    tuple: Option<Tuple>,
    last: u32,
}

impl Controllers {
    /// These; `tls` shows the node's own certificate.
    pub fn new(peers: Vec<Peer>, tls: Arc<ClientConfig>) -> Self {
        Self {
            peers,
            port: PORT,
            tls,
            first: AtomicUsize::new(0),
            idle: Mutex::default(),
            turns: Semaphore::new(AT_A_TIME),
        }
    }

    /// The same, listening on another port.
    #[must_use]
    pub fn on_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Asks, for a client in this conversation.
    ///
    /// # Errors
    /// No controller answered.
    pub async fn ask(
        &self,
        question: &Question,
        conversation: &Conversation,
    ) -> Result<Verdict, Unavailable> {
        let value = serde_json::to_vec(question).map_err(|error| Unavailable(error.to_string()))?;
        let began = Instant::now();
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Unavailable("too many logins wait for one".into()))?;
        // A connection that was kept may be closed by now: that alone says nothing. Those beside it
        // are no better, and to find out one by one takes long where a controller is silent.
        while let Some(line) = self.kept() {
            let peer = line.peer;
            if let Ok((verdict, line)) = self.over(line, &value).await {
                self.tell(&line, question, &verdict, conversation, began, true);
                self.keep(line);
                return Ok(verdict);
            }
            self.lines().retain(|line| line.peer != peer);
        }
        let mut reasons = Vec::new();
        let first = self.first.load(Ordering::Relaxed);
        for turn in 0..self.peers.len() {
            let peer = (first + turn) % self.peers.len();
            let asked = async { self.over(self.connect(peer).await?, &value).await };
            match asked.await {
                Ok((verdict, line)) => {
                    self.first.store(peer, Ordering::Relaxed);
                    self.tell(&line, question, &verdict, conversation, began, false);
                    self.keep(line);
                    return Ok(verdict);
                }
                Err(reason) => {
                    self.first
                        .store((peer + 1) % self.peers.len(), Ordering::Relaxed);
                    reasons.push(format!("{}: {reason}", self.peers[peer].node));
                }
            }
        }
        if reasons.is_empty() {
            reasons.push("this server knows none".into());
        }
        Err(Unavailable(reasons.join("; ")))
    }

    async fn connect(&self, peer: usize) -> Result<Line, String> {
        let to = &self.peers[peer];
        let opened = async {
            let stream = dial::tcp((to.address, self.port).into()).await?;
            dial::tls(stream, &self.tls, &to.fqdn).await
        };
        let stream = match timeout(CONNECT, opened).await {
            Ok(opened) => opened.map_err(|error| error.to_string())?,
            Err(_) => return Err(format!("no connection within {} s", CONNECT.as_secs())),
        };
        let (socket, _) = stream.get_ref();
        let ends = socket.local_addr().ok().zip(socket.peer_addr().ok());
        Ok(Line {
            tuple: ends.map(|(own, other)| Tuple::tcp(own, other)),
            stream,
            peer,
            last: 0,
        })
    }

    /// One question and its answer; a line on which this fails is gone.
    async fn over(&self, mut line: Line, value: &[u8]) -> Result<(Verdict, Line), String> {
        match timeout(ANSWER, line.exchange(value)).await {
            Ok(verdict) => Ok((verdict?, line)),
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }

    fn kept(&self) -> Option<Line> {
        self.lines().pop()
    }

    fn keep(&self, line: Line) {
        let mut lines = self.lines();
        if lines.len() < KEPT {
            lines.push(line);
        }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(
        &self,
        line: &Line,
        question: &Question,
        verdict: &Verdict,
        conversation: &Conversation,
        began: Instant,
        kept: bool,
    ) {
        let Some(tuple) = line.tuple else {
            return;
        };
        conversation.tell(|| Deed::Onward {
            tuple,
            to: self.peers[line.peer].node.clone(),
            asked: question.to_string(),
            answer: verdict.to_string(),
            micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            kept,
        });
    }
}

impl Line {
    async fn exchange(&mut self, value: &[u8]) -> Result<Verdict, String> {
        let broken = |error: std::io::Error| format!("the connection broke: {error}");
        self.last = self.last % (u32::MAX >> 1) + 1;
        let request = extended::request(self.last, OID, value);
        self.stream.write_all(&request).await.map_err(broken)?;
        self.stream.flush().await.map_err(broken)?;
        let mut answer = Vec::new();
        let length = loop {
            match extended::length(&answer)? {
                Some(length) if answer.len() >= length => break length,
                _ => {}
            }
            if self.stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
                return Err("it closed the connection in place of an answer".into());
            }
        };
        let response = extended::read(&answer[..length]).ok_or("the answer is no LDAP message")?;
        if response.id != self.last || answer.len() > length {
            return Err("it answered something that was not asked".into());
        }
        if response.code != 0 {
            let (code, message) = (response.code, response.message);
            return Err(format!(
                "it refused to say, with result code {code}: {message}"
            ));
        }
        let value = response.value.ok_or("the answer is empty")?;
        serde_json::from_slice(&value).map_err(|error| format!("the answer is no verdict: {error}"))
    }
}
