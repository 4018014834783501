//! A connection: PRELOGIN, TLS, LOGIN7, then requests and their answers ([MS-TDS] §3.3.5).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lab_core::observe::Deed;
use lab_core::service::Conversation;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::VERSION;
use super::dialect::{Surroundings, error};
use super::server::Server;
use super::session::Session;
use super::sink::Sink;
use crate::tds::handshake::Wrapped;
use crate::tds::login::Login;
use crate::tds::packet::{Assembler, DEFAULT_SIZE, Kind, Message, Outgoing, SIZES, packets};
use crate::tds::prelogin::Prelogin;
use crate::tds::token::{Change, Done, Notice, Status, Tokens};
use crate::tds::{Malformed, Version, rpc, transaction};
use crate::tls;

/// How long a client may take until it is logged in.
const LOGIN: Duration = Duration::from_secs(15);
/// How long a message may take once it has begun, and an answer to be taken.
const MESSAGE: Duration = Duration::from_secs(30);
/// Longest message, in bytes: before the login and after it.
const LONGEST: (usize, usize) = (128 << 10, 24 << 20);
/// Pieces of an answer that wait to be sent.
const PIECES: usize = 4;

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Refused(String),
}

type Stream = TlsStream<Wrapped<TcpStream>>;

/// Serves one connection to its end.
///
/// # Errors
/// What the client did wrong.
pub(super) async fn serve(
    stream: TcpStream,
    conversation: Conversation,
    server: Arc<Server>,
    tls: Arc<ServerConfig>,
    unknown: OwnedSemaphorePermit,
) -> Result<(), Closed> {
    let _ = stream.set_nodelay(true);
    let greeted = tokio::time::timeout(LOGIN, greet(stream, &conversation, &server, tls));
    let greeted = greeted
        .await
        .map_err(|_| Closed::Refused(format!("no login within {} s", LOGIN.as_secs())))??;
    // From here on it is somebody's.
    drop(unknown);
    let Some((stream, session, size)) = greeted else {
        return Ok(());
    };
    let mut client = Client {
        stream,
        assembler: Assembler::default(),
        size,
        conversation,
    };
    client.converse(session).await
}

/// Up to the answer to the login. None: it was refused.
async fn greet(
    mut stream: TcpStream,
    conversation: &Conversation,
    server: &Arc<Server>,
    tls: Arc<ServerConfig>,
) -> Result<Option<(Stream, Session, usize)>, Closed> {
    let mut assembler = Assembler::default();
    let first = receive(&mut stream, &mut assembler, LONGEST.0).await?;
    let Some(first) = first else {
        return Ok(None);
    };
    if first.kind != Kind::Prelogin {
        return Err(Malformed("a conversation that does not begin with PRELOGIN").into());
    }
    let asked = Prelogin::read(&first.body)?;
    let answer = Prelogin {
        version: [VERSION[0], VERSION[1], VERSION[2], VERSION[3], 0, 0],
        // Passwords and data do not travel in the clear.
        encryption: asked
            .encryption
            .required()
            .unwrap_or(crate::tds::prelogin::Encryption::Required),
        federated: asked.federated,
    };
    let answer = packets(Kind::Response, DEFAULT_SIZE, &answer.write());
    stream.write_all(&answer).await?;
    if asked.encryption.required().is_none() {
        return Err(Closed::Refused("the client can't encrypt".into()));
    }
    if !assembler.is_empty() {
        return Err(Malformed("more than PRELOGIN before the answer").into());
    }
    let shaken = TlsAcceptor::from(tls).accept(Wrapped::new(stream)).await;
    let mut stream = shaken.inspect_err(|reason| {
        conversation.tell(|| Deed::TlsFailed {
            reason: reason.to_string(),
        });
    })?;
    stream.get_mut().0.unwrap_from_now();
    let session = stream.get_ref().1;
    conversation.tell(|| Deed::Tls {
        name: session.server_name().map(str::to_ascii_lowercase),
        version: tls::version_of(session),
        client: None,
    });
    let message = receive(&mut stream, &mut assembler, LONGEST.0).await?;
    let Some(message) = message else {
        return Ok(None);
    };
    if message.kind != Kind::Login {
        return Err(Malformed("something else than LOGIN7 after the handshake").into());
    }
    let login = Login::read(&message.body)?;
    log_in(stream, &login, conversation, server).await
}

async fn log_in(
    mut stream: Stream,
    login: &Login,
    conversation: &Conversation,
    server: &Arc<Server>,
) -> Result<Option<(Stream, Session, usize)>, Closed> {
    let Some(version) = Version::negotiate(login.version) else {
        return Err(Closed::Refused(
            "the client speaks no TDS from 7.1 on".into(),
        ));
    };
    let mut tokens = Tokens::new(version);
    let user = &login.user;
    let verified = !login.integrated && server.admits(login);
    conversation.tell(|| Deed::Login {
        method: "sql".into(),
        principal: user.clone(),
        verified,
        proof: "a password within TLS".into(),
    });
    let database = server.first(&login.database).filter(|_| verified);
    let refusals: Vec<Notice> = if login.integrated {
        let text = "Login failed. The login is from an untrusted domain and cannot be used with \
                    Integrated authentication.";
        vec![error(18452, 14, text.into(), 1)]
    } else if !verified {
        vec![error(
            18456,
            14,
            format!("Login failed for user '{user}'."),
            1,
        )]
    } else if database.is_none() {
        let text = format!(
            "Cannot open database \"{}\" requested by the login. The login failed.",
            login.database
        );
        vec![
            error(4060, 11, text, 1),
            error(18456, 14, format!("Login failed for user '{user}'."), 1),
        ]
    } else {
        Vec::new()
    };
    let Some(database) = database.filter(|_| refusals.is_empty()) else {
        for notice in &refusals {
            tracing::info!("{}: {}", conversation.tuple.source, notice.text);
            tokens.notice(notice, &server.name);
        }
        let failed = Status {
            failed: true,
            ..Status::default()
        };
        tokens.done(Done::Batch, failed);
        let packets = packets(Kind::Response, DEFAULT_SIZE, &tokens.bytes);
        stream.write_all(&packets).await?;
        stream.shutdown().await?;
        return Ok(None);
    };
    let around = Surroundings {
        server: server.name.clone(),
        version: super::version_text(),
        spid: server.spid(),
        user: user.clone(),
        host: login.host.clone(),
        program: login.program.clone(),
        database: database.name.clone(),
        databases: server.names(),
        ..Surroundings::default()
    };
    let name = database.name.clone();
    let opened = {
        let (server, database) = (server.clone(), database);
        let open = move || Session::open(server, database, version, around);
        tokio::task::spawn_blocking(open).await
    };
    let session = opened
        .map_err(io::Error::other)?
        .map_err(|reason| Closed::Refused(format!("{name} can't be opened: {reason}")))?;
    let size = usize::try_from(login.packet_size).unwrap_or(0);
    let size = if size == 0 {
        DEFAULT_SIZE
    } else {
        size.clamp(*SIZES.start(), *SIZES.end())
    };
    tokens.change(Change::Database(&name, "master"));
    let text = format!("Changed database context to '{name}'.");
    tokens.notice(&error(5701, 0, text, 1), &server.name);
    tokens.change(Change::Collation);
    tokens.change(Change::Language("us_english"));
    let text = "Changed language setting to us_english.".to_owned();
    tokens.notice(&error(5703, 0, text, 1), &server.name);
    tokens.login_ack("Microsoft SQL Server", VERSION);
    if size != DEFAULT_SIZE {
        tokens.change(Change::PacketSize(size, DEFAULT_SIZE));
    }
    tokens.done(Done::Batch, Status::default());
    let packets = packets(Kind::Response, DEFAULT_SIZE, &tokens.bytes);
    stream.write_all(&packets).await?;
    stream.flush().await?;
    Ok(Some((stream, session, size)))
}

/// The next message; none at the end of the connection. A message that has begun must end in time.
async fn receive<S: AsyncReadExt + Unpin>(
    stream: &mut S,
    assembler: &mut Assembler,
    longest: usize,
) -> Result<Option<Message>, Closed> {
    let mut begun: Option<tokio::time::Instant> = None;
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = assembler.next(longest)? {
            return Ok(Some(message));
        }
        if !assembler.is_empty() {
            begun.get_or_insert_with(tokio::time::Instant::now);
        }
        let read = stream.read(&mut buffer);
        let read = match begun {
            None => read.await,
            Some(begun) => tokio::time::timeout_at(begun + MESSAGE, read)
                .await
                .map_err(|_| Closed::Refused("a message that does not end".into()))?,
        };
        match read {
            Ok(0) => return Ok(None),
            Ok(count) => assembler.feed(&buffer[..count]),
            // Clients close without a word of TLS.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a client asks for, read.
enum Request {
    Batch(String),
    Calls(Vec<rpc::Call>),
    Transaction(transaction::Request),
}

struct Client {
    stream: Stream,
    assembler: Assembler,
    size: usize,
    conversation: Conversation,
}

impl Client {
    async fn converse(&mut self, mut session: Session) -> Result<(), Closed> {
        while let Some(message) = receive(&mut self.stream, &mut self.assembler, LONGEST.1).await? {
            let version = session.version;
            let request = match message.kind {
                // Nothing is going on that could be stopped.
                Kind::Attention => {
                    self.acknowledge(version).await?;
                    continue;
                }
                _ if message.ignored => {
                    self.acknowledge(version).await?;
                    continue;
                }
                Kind::Batch => Request::Batch(transaction::batch(&message.body, version)?),
                Kind::Rpc => Request::Calls(rpc::calls(&message.body, version)?),
                Kind::TransactionManager => {
                    Request::Transaction(transaction::request(&message.body, version)?)
                }
                _ => return Err(Malformed("a message that is none of a session's").into()),
            };
            let reset = message.reset;
            drop(message.body);
            session = match self.answer(session, request, reset).await? {
                Some(session) => session,
                None => return Ok(()),
            };
        }
        Ok(())
    }

    /// Says that what was going on is stopped.
    async fn acknowledge(&mut self, version: Version) -> Result<(), Closed> {
        let mut tokens = Tokens::new(version);
        let status = Status {
            attention: true,
            ..Status::default()
        };
        tokens.done(Done::Batch, status);
        let packets = packets(Kind::Response, self.size, &tokens.bytes);
        self.send(&packets).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(MESSAGE, sent)
            .await
            .map_err(|_| Closed::Refused("an answer that the client does not take".into()))??;
        Ok(())
    }

    /// Carries out a request on a thread that may wait, and sends what comes out; gives the session
    /// back. None: the client is gone.
    async fn answer(
        &mut self,
        mut session: Session,
        request: Request,
        reset: bool,
    ) -> Result<Option<Session>, Closed> {
        let started = Instant::now();
        let version = session.version;
        let asked = shown(&request);
        let stop = session.stop.clone();
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let mut out = Sink::new(version, &session.server.name, sender);
        let work = tokio::task::spawn_blocking(move || {
            if reset {
                session.reset(&mut out);
            }
            match request {
                Request::Batch(text) => session.batch(&text, &mut out),
                Request::Calls(calls) => session.calls(calls, &mut out),
                Request::Transaction(request) => session.manage(&request, &mut out),
            }
            (session, out.finish())
        });
        let mut outgoing = Outgoing::new(Kind::Response, self.size);
        let mut attention = false;
        let mut gone = false;
        let mut buffer = [0; 512];
        loop {
            tokio::select! {
                piece = pieces.recv() => match piece {
                    None => break,
                    Some(_) if attention || gone => {}
                    Some(piece) => {
                        let packets = outgoing.push(&piece);
                        if let Err(reason) = self.send(&packets).await {
                            tracing::debug!("{}: {reason}", self.conversation.tuple.source);
                            stop.store(true, Ordering::Relaxed);
                            gone = true;
                        }
                    }
                },
                read = self.stream.read(&mut buffer), if !attention && !gone => {
                    match read {
                        Ok(0) | Err(_) => gone = true,
                        Ok(count) => {
                            self.assembler.feed(&buffer[..count]);
                            match self.assembler.next(LONGEST.0) {
                                Ok(None) => {}
                                Ok(Some(message)) if message.kind == Kind::Attention => {
                                    attention = true;
                                }
                                Ok(Some(_)) | Err(_) => gone = true,
                            }
                        }
                    }
                    if attention || gone {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
        let (session, (rows, failed)) = work.await.map_err(io::Error::other)?;
        stop.store(false, Ordering::Relaxed);
        if gone {
            return Ok(None);
        }
        if attention {
            let mut tokens = Tokens::new(version);
            let status = Status {
                attention: true,
                ..Status::default()
            };
            tokens.done(Done::Batch, status);
            let mut packets = outgoing.push(&tokens.bytes);
            packets.extend(outgoing.finish());
            self.send(&packets).await?;
        } else {
            self.send(&outgoing.finish()).await?;
        }
        let database = session.database.name.clone();
        self.conversation.tell(|| Deed::Served {
            asked,
            host: Some(database),
            answer: match (attention, failed) {
                (true, _) => "stopped by the client".into(),
                (_, Some(number)) => format!("error {number}"),
                _ => format!("{rows} rows"),
            },
            micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        });
        Ok(Some(session))
    }
}

/// A request in a few words: what it does, not what with.
fn shown(request: &Request) -> String {
    match request {
        Request::Batch(text) => crate::sql_client::shown(text),
        Request::Calls(calls) => {
            let text = calls.first().and_then(|call| {
                let mut texts = call.parameters.iter().map(|parameter| &parameter.value);
                let text = texts.find_map(|value| match value {
                    crate::tds::value::Value::Text(text) => Some(text.as_str()),
                    _ => None,
                });
                text.filter(|_| call.procedure == "sp_executesql")
                    .map(crate::sql_client::shown)
                    .or_else(|| Some(call.procedure.chars().take(60).collect()))
            });
            text.unwrap_or_default()
        }
        Request::Transaction(request) => match request {
            transaction::Request::Begin => "BEGIN TRANSACTION".into(),
            transaction::Request::Commit { .. } => "COMMIT".into(),
            transaction::Request::RollBack { .. } => "ROLLBACK".into(),
            transaction::Request::Save(_) => "SAVE TRANSACTION".into(),
            transaction::Request::Distributed => "a distributed transaction".into(),
        },
    }
}
