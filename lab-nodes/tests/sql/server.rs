//! A server that runs, and who asks it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lab_core::plan::Peer;
use lab_core::service::{Context, Listener, Secret, Service, Spans};
use lab_nodes::sql_client::{Pool, Source, secret_of};
use lab_nodes::sql_server::SqlServer;
use lab_nodes::tls;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::authority::Authority;

/// A folder that goes when it is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tierlab-sql-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server. When it is dropped it is gone, as if it had been killed.
pub struct Running {
    pub at: SocketAddr,
    pub authority: Authority,
    pub folder: Option<Folder>,
    task: JoinHandle<()>,
    _shutdown: watch::Sender<bool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub const NAME: &str = "sp-sql1.corp.example";

fn secret() -> Secret {
    Secret::new([7; 32])
}

pub fn start() -> Running {
    let folder = Folder::new();
    let mut running = start_in(&folder.0);
    running.folder = Some(folder);
    running
}

pub fn start_in(folder: &Path) -> Running {
    let authority = Authority::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    let (shutdown, shutdown_receiver) = watch::channel(false);
    let settings = json!({
        "port": at.port(),
        "longest": 64 << 20,
        "databases": ["content", "other"],
        "logins": { "sa": "Passw0rd!", "farm": null },
    });
    let (_, settings) = watch::channel(settings);
    let context = Context {
        authority: None,

        lab: "test".into(),
        node: "sp-sql1".into(),
        fqdn: NAME.into(),
        addresses: vec![],
        settings,
        listeners: vec![("tds".into(), Listener::Tcp(listener))],
        credentials: BTreeMap::from([("node".to_owned(), authority.credential(&[NAME]))]),
        trust: vec![authority.root.clone()],
        secrets: BTreeMap::from([(secret_of("farm"), secret())]),
        store: Some(folder.to_owned()),
        peers: BTreeMap::new(),
        shutdown: shutdown_receiver,
        network: mpsc::unbounded_channel().0,
        report: mpsc::unbounded_channel().0,
        spans: Spans::unwatched(),
    };
    let running = SqlServer.run(context);
    let task = tokio::spawn(async move {
        // Its settings are never changed: that ends it, where nothing else does.
        running.await.unwrap();
    });
    Running {
        at,
        authority,
        folder: None,
        task,
        _shutdown: shutdown,
    }
}

impl Running {
    /// Who asks it for a database.
    pub fn pool(&self, database: &str) -> Pool {
        self.pool_of(database, NAME, &secret())
    }

    pub fn pool_of(&self, database: &str, name: &str, secret: &Secret) -> Pool {
        let source = Source {
            database: database.into(),
            server: Peer {
                node: "sp-sql1".into(),
                fqdn: name.into(),
                address: self.at.ip(),
            },
            port: self.at.port(),
            login: "farm".into(),
        };
        let client = tls::client_config(std::slice::from_ref(&self.authority.root), None).unwrap();
        Pool::new(source, secret, Arc::clone(&client), "test")
    }
}
