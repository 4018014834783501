//! Asking a tier: one member after the other until one answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HOST;
use hyper::{Request, StatusCode};
use lab_core::observe::Tuple;
use lab_core::plan::Peer;
use lab_core::service::Conversation;
use rustls::ClientConfig;

use super::settings::Ask;
use crate::http::asked::Asked;
use crate::http::tier_path::{TierPath, missing};
use crate::http::{body, dial};

/// How long a member may take to accept the connection and end the handshake. Nodes of a lab
/// are microseconds apart; one that was switched off answers nothing.
const CONNECT: Duration = Duration::from_millis(300);
/// A member that failed is asked last for so long.
const AVOID: Duration = Duration::from_secs(2);

/// The members of a tier, and what is remembered of them.
pub(super) struct Tier {
    members: Vec<Member>,
    next: AtomicUsize,
}

struct Member {
    peer: Peer,
    failed: Mutex<Option<Instant>>,
}

/// What came of asking a tier.
pub(super) enum Answer {
    /// The nodes that took part, its member first.
    Path(TierPath),
    /// No member of this tier answered.
    Missing(String),
}

impl Tier {
    pub fn new(peers: &[Peer]) -> Self {
        let member = |peer: &Peer| Member {
            peer: peer.clone(),
            failed: Mutex::new(None),
        };
        Self {
            members: peers.iter().map(member).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Asks the members in turn, those that failed lately last, until one answers.
    pub async fn ask(
        &self,
        ask: &Ask,
        path: &str,
        client: &Arc<ClientConfig>,
        conversation: &Conversation,
    ) -> Answer {
        for member in self.in_turn() {
            let asked = tokio::time::timeout(
                ask.patience,
                member.ask(ask.port, path, client, conversation),
            );
            let trouble = match asked.await {
                Ok(Ok(answer)) => {
                    member.remember(None);
                    return answer;
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => format!("no answer within {} ms", ask.patience.as_millis()),
            };
            tracing::warn!(
                "{} of tier {} does not answer: {trouble}",
                member.peer.node,
                ask.tier
            );
            member.remember(Some(Instant::now()));
        }
        Answer::Missing(ask.tier.clone())
    }

    fn in_turn(&self) -> Vec<&Member> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.members.len().max(1);
        let (before, after) = self.members.split_at(first);
        let mut turn: Vec<&Member> = after.iter().chain(before).collect();
        turn.sort_by_key(|member| member.failed_lately());
        turn
    }
}

impl Member {
    async fn ask(
        &self,
        port: u16,
        path: &str,
        client: &Arc<ClientConfig>,
        conversation: &Conversation,
    ) -> Result<Answer, String> {
        let to = SocketAddr::new(self.peer.address, port);
        let request = Request::get(path)
            .header(HOST, &self.peer.fqdn)
            .body(body::empty())
            .map_err(|error| error.to_string())?;
        let asked = Asked::new(&request);
        let mut tuple = Tuple::tcp_to(to);
        let connect = async {
            let stream = dial::tcp(to).await?;
            tuple = Tuple::tcp(stream.local_addr().unwrap_or(to), to);
            dial::tls(stream, client, &self.peer.fqdn).await
        };
        let connected = tokio::time::timeout(CONNECT, connect)
            .await
            .map_err(|_| format!("no connection within {} ms", CONNECT.as_millis()))
            .and_then(|stream| stream.map_err(|error| error.to_string()));
        let response = match connected {
            Ok(stream) => dial::ask(stream, request)
                .await
                .map_err(|error| error.to_string()),
            Err(trouble) => Err(trouble),
        };
        conversation.tell(|| {
            let answer = match &response {
                Ok(response) => response.status().as_str().to_owned(),
                Err(trouble) => trouble.clone(),
            };
            asked.onward(tuple, &self.peer.node, answer, false)
        });
        let response = response?;
        if let Some(tier) = missing(response.headers()) {
            return Ok(Answer::Missing(tier));
        }
        if response.status() != StatusCode::OK {
            return Err(format!("it answered {}", response.status()));
        }
        // The handshake proved who answers: a path that starts with another name is no path.
        TierPath::read(response.headers())
            .filter(|path| path.first() == Some(self.peer.node.as_str()))
            .map(Answer::Path)
            .ok_or_else(|| "its answer does not name it as the first of the path".to_owned())
    }

    fn remember(&self, failed: Option<Instant>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    fn failed_lately(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|when| when.elapsed() < AVOID)
    }
}
