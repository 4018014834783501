//! Whether a certificate of the lab's CA is revoked, as every service that verifies one asks it.
//!
//! - `list`: a revocation list (RFC 5280 §5), verified;
//! - `fetch`: gets it from where certificates say it is published;
//! - `verifier`, `sessions`: TLS that refuses a revoked certificate, in the handshake and in
//!   sessions that are resumed.
//!
//! The list is fetched in the background when a certificate is verified for the first time, and
//! again when one is verified, or a session resumed, and the list is older than its server says it
//! is to be kept (`Cache-Control: max-age`). A verification never waits for it. It fails softly, as
//! browsers do: as long as no list was had, everything that chains to the lab's root is good, and
//! when the authority is out of reach the last list is used, however old. What a list once revoked
//! stays so until a newer list says otherwise. When a list comes that revokes something else than
//! the one before it, sessions are resumed no more, and who keeps connections open learns it from
//! [`Revocation::version`].

mod fetch;
mod list;
mod sessions;
mod verifier;

pub use list::{List, ListError};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lab_core::service::{Context, Credential, Spans};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::tls::{self, ClientCertificate, TlsError};
use fetch::Source;

/// First and longest wait before a list that could not be fetched is asked for again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What a service knows of revocation. Copies share it.
#[derive(Clone, Debug)]
pub struct Revocation(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// None: the lab publishes nothing.
    keeping: Option<Keeping>,
    state: Arc<State>,
}

/// The task that fetches; it ends with what it fetches for.
#[derive(Debug)]
struct Keeping(AbortHandle);

#[derive(Debug)]
struct State {
    list: Mutex<Option<Arc<List>>>,
    /// Until when the list is not asked for again.
    fresh: Mutex<Option<Instant>>,
    wanted: Notify,
    /// Counts the lists that revoked something else than the one before.
    version: watch::Sender<u64>,
}

impl Revocation {
    /// As the node's own certificate says it is published; where it says nothing, nothing is
    /// revoked. To be called in a runtime of tokio.
    pub fn of(context: &Context) -> Self {
        let own = context.credentials.get("node");
        own.map_or_else(Self::unchecked, |own| {
            Self::fetched(own, Some(&context.spans))
        })
    }

    /// The same, of a certificate of the lab's CA.
    pub fn of_credential(own: &Credential) -> Self {
        Self::fetched(own, None)
    }

    fn fetched(own: &Credential, spans: Option<&Spans>) -> Self {
        let Some(source) = Source::of(own) else {
            return Self::unchecked();
        };
        let state = State::new();
        let task = tokio::spawn(keep(Arc::clone(&state), source, spans.cloned()));
        Self(Arc::new(Known {
            keeping: Some(Keeping(task.abort_handle())),
            state,
        }))
    }

    /// Nothing is revoked.
    pub fn unchecked() -> Self {
        Self(Arc::new(Known {
            keeping: None,
            state: State::new(),
        }))
    }

    /// Whether a certificate, whose chain was verified, is on the list that is known by now. Asking
    /// has the list fetched where it is not there or no longer fresh.
    pub fn is_revoked(&self, certificate: &CertificateDer<'_>) -> bool {
        self.refresh();
        let list = lock(&self.0.state.list).clone();
        list.is_some_and(|list| list.revokes(certificate))
    }

    /// Has the list fetched where it is not there or no longer fresh.
    fn refresh(&self) {
        let fresh = *lock(&self.0.state.fresh);
        if self.0.keeping.is_some() && fresh.is_none_or(|until| until <= Instant::now()) {
            self.0.state.wanted.notify_one();
        }
    }

    /// Changes when a list came that revokes something else than the one before.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.0.state.version.subscribe()
    }

    /// The client side of TLS (see [`tls::client_config`]) that refuses a server whose certificate
    /// is revoked.
    ///
    /// # Errors
    /// The key does not fit the certificate, or a root cannot be read.
    pub fn client_config(
        &self,
        trust: &[CertificateDer<'static>],
        own: Option<&Credential>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let config = tls::client_config_with(trust, own, |verifier| {
            Arc::new(verifier::Servers::new(verifier, self.clone()))
        })?;
        let mut config = Arc::unwrap_or_clone(config);
        config.resumption = sessions::of_client(self);
        Ok(Arc::new(config))
    }

    /// The server side of TLS (see [`tls::server_config`]) that refuses a client whose certificate
    /// is revoked.
    ///
    /// # Errors
    /// The key does not fit the certificate, or a root cannot be read.
    pub fn server_config(
        &self,
        credential: &Credential,
        trust: &[CertificateDer<'static>],
        clients: ClientCertificate,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let config = tls::server_config_with(credential, trust, clients, |verifier| {
            Arc::new(verifier::Clients::new(verifier, self.clone()))
        })?;
        let mut config = Arc::unwrap_or_clone(config);
        config.session_storage = sessions::of_server(self);
        Ok(Arc::new(config))
    }
}

impl State {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            list: Mutex::default(),
            fresh: Mutex::default(),
            wanted: Notify::new(),
            version: watch::Sender::new(0),
        })
    }

    fn replace(&self, list: List) {
        let before = lock(&self.list).replace(Arc::new(list.clone()));
        let same = match &before {
            Some(before) => before.same_as(&list),
            None => list.is_empty(),
        };
        if !same {
            self.version.send_modify(|version| *version += 1);
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fetches whenever it is wanted.
async fn keep(state: Arc<State>, mut source: Source, spans: Option<Spans>) {
    let mut wait = BACK_OFF.0;
    let mut told = false;
    state.wanted.notified().await;
    loop {
        match source.fetch(spans.as_ref()).await {
            Ok(fetched) => {
                if let Some(list) = fetched.list {
                    state.replace(list);
                }
                if std::mem::take(&mut told) {
                    tracing::info!("revocation is known again: {}", source.url());
                }
                wait = BACK_OFF.0;
                *lock(&state.fresh) = Some(Instant::now() + fetched.fresh);
                state.wanted.notified().await;
            }
            Err(reason) => {
                // While a lab comes up its authority does, too: that is no trouble yet.
                if wait >= BACK_OFF.1 && !std::mem::replace(&mut told, true) {
                    tracing::warn!(
                        "the revocation list {} can't be had, certificates are taken unchecked or \
                         by the last one: {reason}",
                        source.url()
                    );
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF.1);
            }
        }
    }
}
