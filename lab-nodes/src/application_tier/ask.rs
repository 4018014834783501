//! Asking this tier from another one: a member after the other until one answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use lab_core::observe::Tuple;
use lab_core::plan::Peer;
use lab_core::service::Conversation;
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::asked::Asked;
use crate::http::{body, dial};

/// How long a member may take to accept the connection and end the handshake.
const CONNECT: Duration = Duration::from_millis(300);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A member that failed is asked last for so long.
const AVOID: Duration = Duration::from_secs(2);

/// Why a tier did not answer.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// No member answered.
    #[error("no member of {tier} answers; the last, {member}: {reason}")]
    Missing {
        /// The tier.
        tier: String,
        /// The member asked last.
        member: String,
        /// What happened.
        reason: String,
    },
    /// A member said no.
    #[error("{member} answered {status}: {text}")]
    Refused {
        /// The member.
        member: String,
        /// With which status.
        status: StatusCode,
        /// Its words.
        text: String,
    },
    /// A member's answer is not what it should be.
    #[error("the answer of {member} is not understood: {reason}")]
    Strange {
        /// The member.
        member: String,
        /// Why.
        reason: String,
    },
}

/// The members of a tier, and what is remembered of them.
pub struct Tier {
    name: String,
    port: u16,
    client: Arc<ClientConfig>,
    members: Vec<Member>,
    next: AtomicUsize,
}

struct Member {
    peer: Peer,
    failed: Mutex<Option<Instant>>,
}

impl Tier {
    /// A tier of these members; `client` shows the certificate of the node that asks.
    pub fn new(name: &str, peers: &[Peer], port: u16, client: Arc<ClientConfig>) -> Self {
        let member = |peer: &Peer| Member {
            peer: peer.clone(),
            failed: Mutex::new(None),
        };
        Self {
            name: name.to_owned(),
            port,
            client,
            members: peers.iter().map(member).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Asks the members in turn, those that failed lately last, until one answers.
    ///
    /// # Errors
    /// None answers, or one refuses.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        conversation: &Conversation,
        method: Method,
        path: &str,
        content: &impl Serialize,
    ) -> Result<T, TierError> {
        let content = serde_json::to_vec(content).map_err(|error| TierError::Strange {
            member: "this node".into(),
            reason: error.to_string(),
        })?;
        let mut last = TierError::Missing {
            tier: self.name.clone(),
            member: "nobody".into(),
            reason: "it has no members".into(),
        };
        for member in self.in_turn() {
            match self
                .ask_member(member, conversation, &method, path, &content)
                .await
            {
                Ok((StatusCode::OK | StatusCode::ACCEPTED, answer)) => {
                    member.remember(None);
                    return serde_json::from_slice(&answer).map_err(|error| TierError::Strange {
                        member: member.peer.node.clone(),
                        reason: error.to_string(),
                    });
                }
                // It is there, but what it needs is not: another one may have it.
                Ok((status, answer)) if !status.is_server_error() => {
                    return Err(TierError::Refused {
                        member: member.peer.node.clone(),
                        status,
                        text: String::from_utf8_lossy(&answer).trim().to_owned(),
                    });
                }
                other => {
                    let reason = match other {
                        Ok((status, answer)) => {
                            format!("{status}: {}", String::from_utf8_lossy(&answer).trim())
                        }
                        Err(reason) => reason,
                    };
                    tracing::warn!("{} of {}: {reason}", member.peer.node, self.name);
                    member.remember(Some(Instant::now()));
                    last = TierError::Missing {
                        tier: self.name.clone(),
                        member: member.peer.node.clone(),
                        reason,
                    };
                }
            }
        }
        Err(last)
    }

    async fn ask_member(
        &self,
        member: &Member,
        conversation: &Conversation,
        method: &Method,
        path: &str,
        content: &[u8],
    ) -> Result<(StatusCode, hyper::body::Bytes), String> {
        let to = SocketAddr::new(member.peer.address, self.port);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &member.peer.fqdn)
            .body(body::full(content.to_vec()))
            .map_err(|error| error.to_string())?;
        let asked = Asked::new(&request);
        let mut tuple = Tuple::tcp_to(to);
        let answered = async {
            let connect = async {
                let stream = dial::tcp(to).await?;
                tuple = Tuple::tcp(stream.local_addr().unwrap_or(to), to);
                dial::tls(stream, &self.client, &member.peer.fqdn).await
            };
            let stream = tokio::time::timeout(CONNECT, connect)
                .await
                .map_err(|_| format!("no connection within {} ms", CONNECT.as_millis()))?
                .map_err(|error| error.to_string())?;
            tokio::time::timeout(PATIENCE, dial::ask(stream, request))
                .await
                .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
                .map_err(|error| error.to_string())
        };
        let answered = answered.await;
        conversation.tell(|| {
            let answer = match &answered {
                Ok(response) => response.status().as_str().to_owned(),
                Err(trouble) => trouble.clone(),
            };
            asked.onward(tuple, &member.peer.node, answer, false)
        });
        let (head, content) = answered?.into_parts();
        Ok((head.status, content))
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
    fn remember(&self, failed: Option<Instant>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    fn failed_lately(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|when| when.elapsed() < AVOID)
    }
}
