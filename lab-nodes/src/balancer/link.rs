//! A connection to a member. It belongs to one client connection, so that what a client logs
//! in to (NTLM) is never shared.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use lab_core::check::Member;
use lab_core::observe::Tuple;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::pool::LiveMember;
use crate::http::body::Body;
use crate::http::dial::{self, DialError};

/// How long a member may take until its response begins.
const RESPONSE: Duration = Duration::from_secs(60);

/// The part of the time to open a connection that is for TCP alone.
const FOR_THE_CONNECTION: f64 = 0.4;

/// Whether a port is that of HTTP without TLS: 80 (RFC 9110 §4.2.1).
pub(super) fn is_plain(port: u16) -> bool {
    port == 80
}

/// A connection to a member.
pub(super) struct Link {
    /// The pool it was opened for.
    pub pool: String,
    /// The member at its other end.
    pub member: Member,
    /// The conversation, from this node to the member.
    pub tuple: Tuple,
    sender: SendRequest<Body>,
    pinned: Arc<AtomicBool>,
    /// The version of what is revoked when the member proved its certificate.
    proved: u64,
}

/// Why no response came.
pub(super) enum SendError {
    /// The connection was closed before anything was sent.
    Unsent(Box<Request<Body>>),
    /// It broke, or the member left its pool, before the response began.
    Lost(String),
    /// The member took too long.
    Slow,
}

impl SendError {
    /// A sentence.
    fn words(&self) -> &str {
        match self {
            SendError::Unsent(_) => "the connection was closed before the request was sent",
            SendError::Lost(trouble) => trouble,
            SendError::Slow => "no answer in time",
        }
    }
}

/// What became of a request, for those who watch.
pub(super) fn came_back(result: &Result<Response<Incoming>, SendError>) -> String {
    match result {
        Ok(response) => response.status().as_str().to_owned(),
        Err(error) => error.words().to_owned(),
    }
}

impl Link {
    /// Opens one; over TLS the member's chain and name are verified. `hang_up` is notified when
    /// it ends after it was pinned. The task is for the caller to run.
    ///
    /// `patience` is for all of it. A part of it is for the connection alone: that is the kernel's
    /// work at the other end, however busy the member is, and who stands in front of this balancer
    /// and checks it with the same patience must see it turn to another member in time.
    pub async fn open(
        pool: &str,
        member: &Member,
        client: &Arc<ClientConfig>,
        hang_up: &Arc<Notify>,
        patience: Duration,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), String> {
        let open = Self::open_in_time(pool, member, client, hang_up, patience);
        tokio::time::timeout(patience, open)
            .await
            .map_err(|_| late(patience))?
    }

    async fn open_in_time(
        pool: &str,
        member: &Member,
        client: &Arc<ClientConfig>,
        hang_up: &Arc<Notify>,
        patience: Duration,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), String> {
        let text = |error: DialError| error.to_string();
        let to_connect = patience.mul_f64(FOR_THE_CONNECTION);
        let to = SocketAddr::new(member.address, member.port);
        let connect = dial::tcp(to);
        let stream = tokio::time::timeout(to_connect, connect)
            .await
            .map_err(|_| late(to_connect))?
            .map_err(text)?;
        let tuple = Tuple::tcp(stream.local_addr().unwrap_or(to), to);
        let pinned = Arc::new(AtomicBool::new(false));
        let (sender, driver) = if is_plain(member.port) {
            let (sender, driver) = drive(stream).await.map_err(text)?;
            (sender, futures::future::Either::Left(driver))
        } else {
            let stream = dial::tls(stream, client, &member.fqdn).await;
            let (sender, driver) = drive(stream.map_err(text)?).await.map_err(text)?;
            (sender, futures::future::Either::Right(driver))
        };
        let (flag, hang_up) = (pinned.clone(), hang_up.clone());
        let task = async move {
            driver.await;
            if flag.load(Ordering::Relaxed) {
                hang_up.notify_one();
            }
        };
        let link = Self {
            pool: pool.to_owned(),
            member: member.clone(),
            tuple,
            sender,
            pinned,
            proved: 0,
        };
        Ok((link, task))
    }

    /// What was revoked when it was opened: see [`Links::take`].
    pub fn proved_at(mut self, version: u64) -> Self {
        self.proved = version;
        self
    }

    /// Ties the client connection's life to this one's.
    pub fn pin(&self) {
        self.pinned.store(true, Ordering::Relaxed);
    }

    /// Whether the member closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its response. `unless_down`: it gives up as soon
    /// as this member is known to be down.
    pub async fn send(
        &mut self,
        request: Request<Body>,
        unless_down: Option<&LiveMember>,
    ) -> Result<Response<Incoming>, SendError> {
        if self.sender.ready().await.is_err() {
            return Err(SendError::Unsent(Box::new(request)));
        }
        let down = async {
            match unless_down {
                Some(member) => member.down().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            sent = self.sender.try_send_request(request) => sent.map_err(|mut error| {
                match error.take_message() {
                    Some(request) => SendError::Unsent(Box::new(request)),
                    None => SendError::Lost(error.into_error().to_string()),
                }
            }),
            () = down => Err(SendError::Lost("the member went down".to_owned())),
            () = tokio::time::sleep(RESPONSE) => Err(SendError::Slow),
        }
    }
}

fn late(patience: Duration) -> String {
    format!("no connection within {} ms", patience.as_millis())
}

async fn drive<S>(
    stream: S,
) -> Result<(SendRequest<Body>, impl Future<Output = ()> + Send + 'static), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    let driver = async move {
        if let Err(error) = connection.await {
            tracing::debug!("connection to a member ended: {error}");
        }
    };
    Ok((sender, driver))
}

/// The connections that one client connection owns.
#[derive(Default)]
pub(super) struct Links {
    idle: Vec<Link>,
    pins: Vec<(String, Member)>,
    tasks: JoinSet<()>,
}

impl Links {
    /// Owns the task of a new connection.
    pub fn own(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task);
    }

    /// Takes the open connection to a member, for one exchange. Those that were opened before this
    /// version of what is revoked are closed: their member may be revoked by now.
    pub fn take(&mut self, pool: &str, member: &Member, revoked: u64) -> Option<Link> {
        self.idle
            .retain(|link| !link.is_closed() && link.proved == revoked);
        let at = self
            .idle
            .iter()
            .position(|link| link.pool == pool && link.member == *member)?;
        Some(self.idle.swap_remove(at))
    }

    /// Gives it back.
    pub fn keep(&mut self, link: Link) {
        self.idle.push(link);
    }

    /// The member that the client is tied to in this pool, for as long as its connection lives.
    pub fn pin_of(&self, pool: &str) -> Option<Member> {
        let pin = self.pins.iter().find(|(name, _)| name == pool)?;
        Some(pin.1.clone())
    }

    /// Ties it to the member of this connection.
    pub fn pin(&mut self, link: &Link) {
        link.pin();
        if self.pin_of(&link.pool).is_none() {
            self.pins.push((link.pool.clone(), link.member.clone()));
        }
    }
}
