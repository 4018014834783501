//! What a service uses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use lab_core::service::{Context, ServiceError};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::link::Link;
use super::serve::serve;
use super::setup::{LISTENER, PEERS, PORT};
use super::store::{Entry, LONGEST_VALUE, Merged, State, Store};
use super::token::{Key, Token};
use crate::revocation::Revocation;
use crate::tls;

/// Most entries that a member keeps.
const MOST_ENTRIES: usize = 20_000;
/// Most bytes of values that it keeps.
const MOST_BYTES: usize = 16 << 20;

/// Why something could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// The value is longer than a value may be.
    #[error("a value of {0} bytes is too long for the cache")]
    TooLong(usize),
    /// The kernel has no random numbers.
    #[error("the kernel gives no random numbers")]
    NoRandomNumbers,
}

/// The cache, as one of its members. Clones are the same.
#[derive(Clone)]
pub struct TokenCache {
    shared: Arc<Shared>,
    links: Arc<[Arc<Link>]>,
}

/// What runs behind a [`TokenCache`]; it ends when this is dropped.
pub struct Upkeep {
    _tasks: JoinSet<()>,
}

/// What links and connections work on.
pub(super) struct Shared(Mutex<Store>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn merge(&self, key: Key, entry: Entry) -> Merged {
        self.lock().merge(key, entry, now())
    }

    pub fn get(&self, key: &Key) -> Option<Entry> {
        self.lock().get(key, now()).cloned()
    }

    pub fn everything(&self) -> Vec<(Key, Entry)> {
        let now = now();
        let store = self.lock();
        let all = store.all(now).map(|(key, entry)| (*key, entry.clone()));
        all.collect()
    }
}

impl TokenCache {
    /// Starts this member with what [`super::Part`] asked for, and copies what the others know.
    /// Those that don't answer at once are asked again and again, and not waited for.
    ///
    /// # Errors
    /// The certificate is missing, or TLS can't be set up with it.
    pub async fn start(context: &mut Context) -> Result<(Self, Upkeep), ServiceError> {
        let peers = context.peers.get(PEERS).cloned().unwrap_or_default();
        let listeners = context.take_tcp(LISTENER).map_err(ServiceError::new)?;
        let own = context
            .credentials
            .get("node")
            .ok_or_else(|| ServiceError::new("the node's certificate is missing"))?;
        let revocation = Revocation::of(context);
        let mut server = revocation
            .server_config(own, &context.trust, tls::ClientCertificate::Asked)
            .map_err(ServiceError::new)?;
        let mut client = revocation
            .client_config(&context.trust, Some(own))
            .map_err(ServiceError::new)?;
        Arc::make_mut(&mut server).alpn_protocols.clear();
        Arc::make_mut(&mut client).alpn_protocols.clear();
        let server = tls::server_telling_keys(&server, &context.spans);
        let client = tls::client_telling_keys(&client, &context.spans);

        let shared = Arc::new(Shared(Mutex::new(Store::new(MOST_ENTRIES, MOST_BYTES))));
        let names: Arc<[String]> = peers.iter().map(|peer| peer.fqdn.clone()).collect();
        let port = listeners.first().and_then(|l| l.local_addr().ok());
        let port = port.map_or(PORT, |at| at.port());
        let mut tasks = JoinSet::new();
        for listener in listeners {
            let (server, names) = (server.clone(), names.clone());
            tasks.spawn(serve(listener, server, names, shared.clone()));
        }
        let mut attempts = Vec::new();
        let links: Arc<[Arc<Link>]> = peers
            .into_iter()
            .map(|peer| {
                let link = Arc::new(Link::new(peer, port, client.clone()));
                let (tried, first) = watch::channel(false);
                attempts.push(first);
                tasks.spawn(link.clone().keep(shared.clone(), tried));
                link
            })
            .collect();
        for mut first in attempts {
            // An error means that the link's task ended: there is nothing to wait for.
            let _ = first.wait_for(|tried| *tried).await;
        }
        Ok((Self { shared, links }, Upkeep { _tasks: tasks }))
    }

    /// Keeps a value for so long, and gives the token for it. When it comes back, every member that
    /// is there knows it.
    ///
    /// # Errors
    /// The value is longer than 8 KiB, or there are no random numbers.
    pub async fn put(&self, value: Vec<u8>, lifetime: Duration) -> Result<Token, CacheError> {
        if value.len() > LONGEST_VALUE {
            return Err(CacheError::TooLong(value.len()));
        }
        let token = Token::new().ok_or(CacheError::NoRandomNumbers)?;
        let entry = Entry {
            state: State::Held(value),
            until: now().saturating_add(millis(lifetime)),
        };
        self.spread(token.key(), entry).await;
        Ok(token)
    }

    /// The value that a token stands for. A member that does not know it asks the others.
    pub async fn get(&self, token: &Token) -> Option<Vec<u8>> {
        let key = token.key();
        match self.entry(key).await?.state {
            State::Held(value) => Some(value),
            State::Claimed(_) | State::Gone => None,
        }
    }

    /// What this member knows of a token by itself.
    pub fn knows(&self, token: &Token) -> Option<Vec<u8>> {
        match self.shared.get(&token.key())?.state {
            State::Held(value) => Some(value),
            State::Claimed(_) | State::Gone => None,
        }
    }

    /// Ends a token everywhere.
    pub async fn remove(&self, token: &Token) {
        let key = token.key();
        if let Some(known) = self.entry(key).await {
            let gone = Entry {
                state: State::Gone,
                until: known.until,
            };
            self.spread(key, gone).await;
        }
    }

    /// Claims a name that can be used once, until then: true if nobody has, here or at any member
    /// that is there. Of two members that claim it at the same moment, at most one gets it.
    pub async fn claim(&self, name: &str, until: SystemTime) -> bool {
        let mut mine = [0; 16];
        if SystemRandom::new().fill(&mut mine).is_err() {
            return false;
        }
        let until = until.duration_since(UNIX_EPOCH).map_or(0, millis);
        let entry = Entry {
            state: State::Claimed(mine),
            until,
        };
        let key = Key::of(b"claim", name.as_bytes());
        until > now() && self.spread(key, entry).await == Merged::Taken
    }

    async fn entry(&self, key: Key) -> Option<Entry> {
        if let Some(known) = self.shared.get(&key) {
            return Some(known);
        }
        let asked = self.links.iter().map(|link| link.look_up(key));
        for entry in join_all(asked).await.into_iter().flatten() {
            self.shared.merge(key, entry);
        }
        self.shared.get(&key)
    }

    /// Takes an entry in here and at all the others that are there.
    async fn spread(&self, key: Key, entry: Entry) -> Merged {
        let here = self.shared.merge(key, entry.clone());
        if here != Merged::Taken && entry.state != State::Gone {
            return here;
        }
        let told = self.links.iter().map(|link| link.tell(key, &entry));
        let there = join_all(told).await;
        if there.contains(&Some(Merged::Conflict)) {
            return Merged::Conflict;
        }
        here
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
