//! The same asked again and again: over one connection, as long as that stays open and is not old.

use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::body::{self, Body};
use super::dial::{DialError, LONGEST_ANSWER};

/// How long the keeper's health checks use a connection.
pub const OF_PROBE: Duration = Duration::from_secs(30);

/// An open connection over which one request after the other is sent.
pub struct Line {
    sender: SendRequest<Body>,
    opened: Instant,
    /// Ends the connection's task with the line.
    driver: JoinSet<()>,
}

impl Line {
    /// Speaks HTTP over a connection.
    ///
    /// # Errors
    /// The connection is closed already.
    pub async fn over<S>(stream: S) -> Result<Self, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
        });
        Ok(Self {
            sender,
            opened: Instant::now(),
            driver,
        })
    }

    /// Sends a request and reads the whole answer, at most 1 MiB.
    ///
    /// # Errors
    /// The connection fails, the answer is no HTTP or too long. Nothing more can be sent then.
    pub async fn ask(&mut self, request: Request<Body>) -> Result<Response<Bytes>, DialError> {
        self.ask_at_most(request, LONGEST_ANSWER).await
    }

    /// The same with an answer of at most `limit` bytes.
    ///
    /// # Errors
    /// The connection fails, the answer is no HTTP or too long. Nothing more can be sent then.
    pub async fn ask_at_most(
        &mut self,
        request: Request<Body>,
        limit: usize,
    ) -> Result<Response<Bytes>, DialError> {
        self.sender.ready().await?;
        let (head, incoming) = self.sender.send_request(request).await?.into_parts();
        let content = body::read(incoming, limit).await?;
        Ok(Response::from_parts(head, content))
    }

    /// Waits until the other end closes it.
    pub async fn ended(&mut self) {
        let _ = self.driver.join_next().await;
    }
}

/// A question that is repeated.
pub struct Standing {
    line: Option<Line>,
    longest: Duration,
}

impl Standing {
    /// A connection is used for so long at most: whether new ones are accepted, and with which
    /// certificate, is to be seen, too.
    pub fn new(longest: Duration) -> Self {
        Self {
            line: None,
            longest,
        }
    }

    /// Asks over the open connection, or over a new one. A future that is dropped before it is
    /// done takes the connection with it.
    ///
    /// # Errors
    /// No connection, or no answer over a new one.
    pub async fn ask<E: From<DialError>>(
        &mut self,
        open: impl AsyncFnOnce() -> Result<Line, E>,
        request: impl Fn() -> Result<Request<Body>, hyper::http::Error>,
    ) -> Result<Response<Bytes>, E> {
        let kept = self.line.take();
        if let Some(mut line) = kept.filter(|line| line.opened.elapsed() < self.longest)
            && let Ok(answer) = line.ask(request().map_err(DialError::from)?).await
        {
            self.line = Some(line);
            return Ok(answer);
        }
        // A server may close what is idle at any time: that alone says nothing about it.
        let mut line = open().await?;
        let answer = line.ask(request().map_err(DialError::from)?).await?;
        self.line = Some(line);
        Ok(answer)
    }

    /// Waits until the open connection is closed from the other end; for ever where there is none.
    pub async fn lost(&mut self) {
        match &mut self.line {
            Some(line) => line.ended().await,
            None => std::future::pending().await,
        }
    }
}
