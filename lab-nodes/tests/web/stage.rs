//! Services on loopback, with a context made by hand.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use lab_core::plan::Peer;
use lab_core::service::{
    Connect, Context, Credential, Kept, Listener, NetworkRequest, Probe, ProbeError, Report,
    ServiceError, Spans,
};
use lab_nodes::CATALOGUE;
use serde_json::{Value, json};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::authority::Authority;

/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(10);

/// What a service is started with.
pub struct Start<'a> {
    pub service: &'static str,
    pub node: &'a str,
    pub settings: Value,
    pub listeners: Vec<(&'a str, TcpListener)>,
    pub credentials: Vec<(&'a str, Arc<Credential>)>,
    pub peers: BTreeMap<String, Vec<Peer>>,
}

/// A service that runs. When it is dropped it is gone, as if it had been killed.
pub struct Running {
    pub settings: watch::Sender<Value>,
    reports: mpsc::UnboundedReceiver<Report>,
    pub network: mpsc::UnboundedReceiver<NetworkRequest>,
    seen: BTreeMap<String, BTreeMap<String, String>>,
    _shutdown: watch::Sender<bool>,
    task: JoinHandle<Result<(), ServiceError>>,
}

impl Running {
    /// Ends it at once, its connections, too.
    pub async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Waits until the pool's members have these states, as far as was reported.
    pub async fn reported(&mut self, pool: &str, states: &[(&str, &str)]) {
        let wanted: BTreeMap<String, String> = states
            .iter()
            .map(|(name, state)| ((*name).into(), (*state).into()))
            .collect();
        let wait = async {
            while self.seen.get(pool) != Some(&wanted) {
                let report = self.reports.recv().await.expect("it runs");
                if let Report::Pool { pool, members } = report {
                    self.seen.insert(pool, members);
                }
            }
        };
        let waited = tokio::time::timeout(LIMIT, wait).await;
        assert!(
            waited.is_ok(),
            "{pool} is never {wanted:?}, but {:?}",
            self.seen
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn start(authority: &Authority, start: Start<'_>) -> Running {
    let (settings, settings_receiver) = watch::channel(start.settings);
    let (shutdown, shutdown_receiver) = watch::channel(false);
    let (report, reports) = mpsc::unbounded_channel();
    let (network_sender, network) = mpsc::unbounded_channel();
    let listener = |(name, listener): (&str, TcpListener)| {
        listener.set_nonblocking(true).unwrap();
        (name.to_owned(), Listener::Tcp(listener))
    };
    let context = Context {
        lab: "test".to_owned(),
        node: start.node.to_owned(),
        fqdn: fqdn(start.node),
        addresses: vec![],
        settings: settings_receiver,
        listeners: start.listeners.into_iter().map(listener).collect(),
        credentials: start
            .credentials
            .into_iter()
            .map(|(id, one)| (id.to_owned(), one))
            .collect(),
        trust: vec![authority.root.clone()],
        secrets: BTreeMap::new(),
        store: None,
        authority: None,
        peers: start.peers,
        shutdown: shutdown_receiver,
        network: network_sender,
        report,
        spans: Spans::unwatched(),
    };
    let service = CATALOGUE
        .get(start.service)
        .expect("a service of the catalogue");
    let task = tokio::spawn(service.run(context));
    Running {
        settings,
        reports,
        network,
        seen: BTreeMap::new(),
        _shutdown: shutdown,
        task,
    }
}

pub fn fqdn(node: &str) -> String {
    format!("{node}.corp.example")
}

pub fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// Waits for a condition, at most as long as [`LIMIT`].
pub async fn eventually(condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .expect("it comes true");
}

/// Listens where another socket did. A curl that another test starts may hold that one for as
/// long as it takes to exec.
pub async fn bind_again(at: SocketAddr) -> TcpListener {
    let listener = RefCell::new(None);
    eventually(async || {
        *listener.borrow_mut() = TcpListener::bind(at).ok();
        listener.borrow().is_some()
    })
    .await;
    listener.into_inner().unwrap()
}

/// Listening sockets of several members that share a port, each on a loopback address of its own.
pub fn listen_alike(count: u8) -> Vec<(TcpListener, SocketAddr)> {
    loop {
        let (first, at) = listen("127.0.0.1:0");
        let rest: Result<Vec<TcpListener>, _> = (2..=count)
            .map(|last| TcpListener::bind(SocketAddr::from(([127, 0, 0, last], at.port()))))
            .collect();
        if let Ok(rest) = rest {
            return std::iter::once(first)
                .chain(rest)
                .map(|listener| {
                    let at = listener.local_addr().unwrap();
                    (listener, at)
                })
                .collect();
        }
    }
}

/// A tier that is asked: its name, what people call it, its members.
pub type Asked<'a> = (&'a str, &'a str, Vec<(&'a str, SocketAddr)>);

/// A tier-web on a node, named by its fully qualified name and these hosts.
pub struct Web<'a> {
    pub node: &'a str,
    pub tier: &'a str,
    pub hosts: &'a [&'a str],
    pub only_from: Option<&'a [&'a str]>,
    pub asks: &'a [Asked<'a>],
}

impl Web<'_> {
    pub fn start(&self, authority: &Authority, listener: TcpListener) -> Running {
        let name = fqdn(self.node);
        let mut hosts: Vec<&str> = self.hosts.to_vec();
        hosts.push(&name);
        let credential = authority.credential(&hosts);
        self.start_as(authority, listener, credential)
    }

    /// With a certificate of the caller's choice.
    pub fn start_as(
        &self,
        authority: &Authority,
        listener: TcpListener,
        web: Arc<Credential>,
    ) -> Running {
        let name = fqdn(self.node);
        let mut hosts: Vec<&str> = self.hosts.to_vec();
        hosts.push(&name);
        let asks: Vec<Value> = self
            .asks
            .iter()
            .map(|(name, tier, members)| {
                json!({
                    "name": name, "tier": tier, "port": members[0].1.port(),
                    "patience": { "secs": 3, "nanos": 0 },
                })
            })
            .collect();
        let only_from: Option<Vec<String>> = self
            .only_from
            .map(|nodes| nodes.iter().map(|node| fqdn(node)).collect());
        let peer = |(node, at): &(&str, SocketAddr)| Peer {
            node: (*node).to_owned(),
            fqdn: fqdn(node),
            address: at.ip(),
        };
        start(
            authority,
            Start {
                service: "tier-web",
                node: self.node,
                settings: json!({
                    "tier": self.tier, "port": 443, "hosts": hosts,
                    "asks": asks, "only-from": only_from,
                }),
                listeners: vec![("https", listener)],
                credentials: vec![("web", web), ("node", authority.credential(&[&name]))],
                peers: self
                    .asks
                    .iter()
                    .map(|(name, _, members)| {
                        ((*name).to_owned(), members.iter().map(peer).collect())
                    })
                    .collect(),
            },
        )
    }
}

struct Loopback;

impl Connect for Loopback {
    fn tcp(&self, to: SocketAddr) -> BoxFuture<'static, std::io::Result<TcpStream>> {
        TcpStream::connect(to).boxed()
    }

    fn udp(&self, to: SocketAddr) -> BoxFuture<'static, std::io::Result<UdpSocket>> {
        async move {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            socket.connect(to).await?;
            Ok(socket)
        }
        .boxed()
    }
}

pub async fn probe(
    authority: &Authority,
    service: &str,
    address: IpAddr,
    fqdn: &str,
    settings: Value,
) -> Result<(), ProbeError> {
    probe_again(
        authority,
        service,
        address,
        fqdn,
        settings,
        &Kept::default(),
    )
    .await
}

/// With what the check before left.
pub async fn probe_again(
    authority: &Authority,
    service: &str,
    address: IpAddr,
    fqdn: &str,
    settings: Value,
    kept: &Kept,
) -> Result<(), ProbeError> {
    let probe = Probe {
        address,
        fqdn: fqdn.to_owned(),
        settings,
        trust: vec![authority.root.clone()],
        connect: Arc::new(Loopback),
        kept: kept.clone(),
    };
    CATALOGUE
        .get(service)
        .expect("a service of the catalogue")
        .probe(probe)
        .await
}
