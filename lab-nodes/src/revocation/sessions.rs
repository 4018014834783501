//! TLS sessions that can be resumed until something else is revoked: who resumes one verifies no
//! certificate again (RFC 8446 §2.2).

use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use tokio::sync::watch;

use super::{Revocation, lock};

/// Sessions remembered, as many as rustls does on its own.
const SESSIONS: usize = 256;

pub(super) fn of_client(revocation: &Revocation) -> Resumption {
    Resumption::store(Arc::new(Client(Sessions::new(revocation, || {
        Arc::new(ClientSessionMemoryCache::new(SESSIONS))
    }))))
}

pub(super) fn of_server(revocation: &Revocation) -> Arc<dyn StoresServerSessions> {
    Arc::new(Server(Sessions::new(revocation, || {
        ServerSessionMemoryCache::new(SESSIONS)
    })))
}

/// A store that is replaced by an empty one when another version of the list came.
struct Sessions<S> {
    revocation: Revocation,
    version: watch::Receiver<u64>,
    empty: fn() -> Arc<S>,
    store: Mutex<(u64, Arc<S>)>,
}

impl<S> Sessions<S> {
    fn new(revocation: &Revocation, empty: fn() -> Arc<S>) -> Self {
        let version = revocation.version();
        let now = *version.borrow();
        Self {
            revocation: revocation.clone(),
            version,
            empty,
            store: Mutex::new((now, empty())),
        }
    }

    /// Who resumes sessions verifies nothing: it has to ask for the list itself.
    fn now(&self) -> Arc<S> {
        self.revocation.refresh();
        let version = *self.version.borrow();
        let mut store = lock(&self.store);
        if store.0 != version {
            *store = (version, (self.empty)());
        }
        Arc::clone(&store.1)
    }
}

struct Client(Sessions<ClientSessionMemoryCache>);
struct Server(Sessions<ServerSessionMemoryCache>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server(..)")
    }
}

impl ClientSessionStore for Client {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.now().set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.now().kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.now().set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.now().tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.0.now().remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.0.now().insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        self.0.now().take_tls13_ticket(server_name)
    }
}

impl StoresServerSessions for Server {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.now().put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.now().get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.now().take(key)
    }

    fn can_cache(&self) -> bool {
        self.0.now().can_cache()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
    use tokio::time::{Duration, Instant};

    use super::{Server, Sessions};
    use crate::revocation::{Keeping, Known, Revocation, State, lock};

    #[tokio::test]
    async fn a_session_that_is_resumed_has_the_list_fetched_once_it_is_old() {
        let state = State::new();
        let task = tokio::spawn(async {});
        let revocation = Revocation(std::sync::Arc::new(Known {
            keeping: Some(Keeping(task.abort_handle())),
            state: state.clone(),
        }));
        let sessions = Server(Sessions::new(&revocation, || {
            ServerSessionMemoryCache::new(1)
        }));
        *lock(&state.fresh) = Some(Instant::now() + Duration::from_secs(60));
        sessions.get(b"a session");
        assert!(state.wanted.notified().now_or_never().is_none());
        *lock(&state.fresh) = Some(Instant::now());
        sessions.get(b"a session");
        assert!(state.wanted.notified().now_or_never().is_some());
    }
}
