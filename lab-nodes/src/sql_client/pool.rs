//! Asking a database, over connections that stay open.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lab_core::observe::{Deed, Tuple};
use lab_core::service::{Conversation, Secret};
use rustls::ClientConfig;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::line::{Entrance, Line};
use super::{Row, Source, SqlError, Value, password_of, shown};
use crate::http::dial;

/// Connections to one database at most; who finds none free waits.
const MOST: usize = 8;
/// How long a server may take to accept the connection. Nodes of a lab are microseconds apart; one
/// that was switched off answers nothing.
const REACH: Duration = Duration::from_millis(700);
/// How long connection, handshake and login may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a connection is used: whether new ones are accepted is to be seen, too.
const LONGEST: Duration = Duration::from_secs(300);

/// A database that is asked.
pub struct Pool {
    source: Source,
    password: String,
    client: Arc<ClientConfig>,
    program: String,
    idle: Mutex<Vec<Line>>,
    room: Semaphore,
}

impl Pool {
    /// A database; `secret` is that of its login, `client` trusts the lab's CA, `program` says who
    /// asks (the node).
    pub fn new(source: Source, secret: &Secret, client: Arc<ClientConfig>, program: &str) -> Self {
        Self {
            password: password_of(secret),
            source,
            client,
            program: program.to_owned(),
            idle: Mutex::default(),
            room: Semaphore::new(MOST),
        }
    }

    /// Where it is.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The rows of a statement's result. Parameters are `@p1`, `@p2` …; told to those who watch the
    /// conversation on whose behalf it is asked.
    ///
    /// # Errors
    /// The server is not reached, or refuses it.
    pub async fn query(
        &self,
        conversation: Option<&Conversation>,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, SqlError> {
        self.ask(conversation, sql, async |line: &mut Line| {
            line.query(sql, parameters).await
        })
        .await
    }

    /// Carries out a statement; gives how many rows it changed. It is stored when this returns.
    ///
    /// # Errors
    /// The server is not reached, or refuses it.
    pub async fn execute(
        &self,
        conversation: Option<&Conversation>,
        sql: &str,
        parameters: &[Value],
    ) -> Result<u64, SqlError> {
        self.ask(conversation, sql, async |line: &mut Line| {
            line.execute(sql, parameters).await
        })
        .await
    }

    /// Carries out several statements without parameters, such as those that make tables.
    ///
    /// # Errors
    /// The server is not reached, or refuses one of them.
    pub async fn batch(
        &self,
        conversation: Option<&Conversation>,
        sql: &str,
    ) -> Result<(), SqlError> {
        self.ask(conversation, sql, async |line: &mut Line| {
            line.batch(sql).await
        })
        .await
    }

    /// Several changes as one: what is not committed is as if it had not been asked for.
    ///
    /// # Errors
    /// The server is not reached.
    pub async fn transaction(
        &self,
        conversation: Option<&Conversation>,
    ) -> Result<Transaction<'_>, SqlError> {
        let permit = self.permit().await?;
        let (mut line, kept) = self.line(conversation).await?;
        let told = Told::new(self, conversation, "BEGIN TRANSACTION", kept);
        let begun = line.batch("BEGIN TRANSACTION").await;
        told.tell(line.tuple, &begun, |()| "begun".into());
        begun?;
        Ok(Transaction {
            pool: self,
            line,
            conversation: conversation.cloned(),
            _permit: permit,
        })
    }

    async fn ask<T: Amount>(
        &self,
        conversation: Option<&Conversation>,
        sql: &str,
        ask: impl AsyncFnOnce(&mut Line) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let _permit = self.permit().await?;
        let (mut line, kept) = self.line(conversation).await?;
        let told = Told::new(self, conversation, sql, kept);
        let answer = ask(&mut line).await;
        told.tell(line.tuple, &answer, T::words);
        if !matches!(answer, Err(SqlError::Unreachable { .. })) {
            self.keep(line);
        }
        answer
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, SqlError> {
        self.room
            .acquire()
            .await
            .map_err(|_| SqlError::Unreachable {
                server: self.source.server.node.clone(),
                reason: "nobody asks any more".into(),
            })
    }

    /// A connection that was open and still is, or a new one.
    async fn line(&self, conversation: Option<&Conversation>) -> Result<(Line, bool), SqlError> {
        // Who watches wants to see the way and its rules, which a connection shows where it begins.
        let watched = conversation.is_some_and(Conversation::watched);
        while !watched {
            let kept = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            match kept {
                Some(line) if line.opened.elapsed() > LONGEST || line.is_over() => {}
                Some(line) => return Ok((line, true)),
                None => break,
            }
        }
        let to = SocketAddr::new(self.source.server.address, self.source.port);
        let mut tuple = Tuple::tcp_to(to);
        let told = Told::new(self, conversation, "login", false);
        let open = async {
            let unreachable = |reason: String| SqlError::Unreachable {
                server: self.source.server.node.clone(),
                reason,
            };
            let stream = tokio::time::timeout(REACH, dial::tcp(to))
                .await
                .map_err(|_| unreachable(format!("no connection within {} ms", REACH.as_millis())))?
                .map_err(|error| unreachable(error.to_string()))?;
            tuple = Tuple::tcp(stream.local_addr().unwrap_or(to), to);
            let entrance = Entrance {
                server: &self.source.server.node,
                name: &self.source.server.fqdn,
                login: &self.source.login,
                password: &self.password,
                database: Some(&self.source.database),
                program: &self.program,
            };
            Line::over(stream, to, &self.client, entrance).await
        };
        let opened = tokio::time::timeout(CONNECT, open).await;
        let opened = opened.unwrap_or_else(|_| {
            Err(SqlError::Unreachable {
                server: self.source.server.node.clone(),
                reason: format!("no login within {} s", CONNECT.as_secs()),
            })
        });
        if opened.is_err() {
            told.tell(tuple, &opened, |_| String::new());
        }
        Ok((opened?, false))
    }

    fn keep(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST {
            idle.push(line);
        }
    }
}

/// Changes that are made as one. Dropped before [`Transaction::commit`], they are not made.
pub struct Transaction<'p> {
    pool: &'p Pool,
    line: Line,
    conversation: Option<Conversation>,
    _permit: SemaphorePermit<'p>,
}

impl Transaction<'_> {
    /// The rows of a statement's result.
    ///
    /// # Errors
    /// The connection broke, or the server refuses it.
    pub async fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let told = Told::new(self.pool, self.conversation.as_ref(), sql, true);
        let answer = self.line.query(sql, parameters).await;
        told.tell(self.line.tuple, &answer, Amount::words);
        answer
    }

    /// Carries out a statement; gives how many rows it changed.
    ///
    /// # Errors
    /// The connection broke, or the server refuses it.
    pub async fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        let told = Told::new(self.pool, self.conversation.as_ref(), sql, true);
        let answer = self.line.execute(sql, parameters).await;
        told.tell(self.line.tuple, &answer, Amount::words);
        answer
    }

    /// Makes the changes; they are stored when this returns.
    ///
    /// # Errors
    /// The connection broke, and nobody knows; or the server refuses it, and nothing was changed.
    pub async fn commit(mut self) -> Result<(), SqlError> {
        let told = Told::new(self.pool, self.conversation.as_ref(), "COMMIT", true);
        let done = self.line.batch("COMMIT TRANSACTION").await;
        told.tell(self.line.tuple, &done, |()| "committed".into());
        if done.is_ok() {
            self.pool.keep(self.line);
        }
        done
    }
}

/// What came back, in words.
trait Amount {
    fn words(&self) -> String;
}

impl Amount for Vec<Row> {
    fn words(&self) -> String {
        format!("{} rows", self.len())
    }
}

impl Amount for u64 {
    fn words(&self) -> String {
        format!("{self} rows")
    }
}

impl Amount for () {
    fn words(&self) -> String {
        "done".into()
    }
}

/// What is asked, until it is told.
struct Told<'a> {
    conversation: Option<&'a Conversation>,
    sql: &'a str,
    server: &'a str,
    kept: bool,
    started: Instant,
}

impl<'a> Told<'a> {
    fn new(
        pool: &'a Pool,
        conversation: Option<&'a Conversation>,
        sql: &'a str,
        kept: bool,
    ) -> Self {
        Self {
            conversation,
            sql,
            server: &pool.source.server.node,
            kept,
            started: Instant::now(),
        }
    }

    fn tell<T>(self, tuple: Tuple, answer: &Result<T, SqlError>, words: impl Fn(&T) -> String) {
        let Some(conversation) = self.conversation else {
            return;
        };
        conversation.tell(|| Deed::Onward {
            tuple,
            to: self.server.to_owned(),
            asked: shown(self.sql),
            answer: match answer {
                Ok(answer) => words(answer),
                Err(error) => error.to_string(),
            },
            micros: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            kept: self.kept,
        });
    }
}
