//! What a running service gets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::authority::Authority;
use super::spans::Spans;
use crate::plan::Peer;

/// A certificate with its key.
#[derive(Debug)]
pub struct Credential {
    /// Leaf first, then the issuing CA; the root is left out.
    pub chain: Vec<CertificateDer<'static>>,
    /// Private key.
    pub key: PrivateKeyDer<'static>,
}

/// Random bytes that only those services know whose set-up named them. They are the same after
/// every `up`, and others in every lab.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret([u8; 32]);

impl Secret {
    /// From its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A socket bound for the service.
#[derive(Debug)]
pub enum Listener {
    /// Listening TCP socket, non-blocking.
    Tcp(std::net::TcpListener),
    /// Bound UDP socket, non-blocking.
    Udp(std::net::UdpSocket),
}

/// Something a service asks of the engine while it runs: the service decides, the engine executes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkRequest {
    /// From now on the layer-4 VIP of this name spreads over these members, in this order;
    /// none: new connections are refused.
    SetMembers {
        /// The VIP (a balancer's name in the lab file).
        vip: String,
        /// Addresses of the members.
        members: Vec<IpAddr>,
        /// Addresses of those that are dead: connections to them are forgotten, so that a client
        /// that is just connecting comes to another one when it sends again. What goes on with a
        /// member that is neither here nor there (it is drained) goes on.
        dead: Vec<IpAddr>,
    },
}

/// What a service tells the engine about itself, shown by `lab status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// It accepts work now; the engine probes it at once.
    Ready,
    /// State of a pool's members: name → healthy, down or drained.
    Pool {
        /// VIP or site.
        pool: String,
        /// Members' states.
        members: BTreeMap<String, String>,
    },
}

/// What a running service gets. It can be made by hand in a unit test on loopback.
pub struct Context {
    /// The lab's name.
    pub lab: String,
    /// The node's name.
    pub node: String,
    /// The node's fully qualified name.
    pub fqdn: String,
    /// The node's addresses.
    pub addresses: Vec<IpAddr>,
    /// Settings from [`super::Setup::settings`]; changes arrive while it runs.
    pub settings: watch::Receiver<Value>,
    /// Bound sockets by the names in [`super::Setup::listens`]; several may share a name.
    pub listeners: Vec<(String, Listener)>,
    /// Certificates by id; `node` is the node's own.
    pub credentials: BTreeMap<String, Arc<Credential>>,
    /// Roots of the lab's CA.
    pub trust: Vec<CertificateDer<'static>>,
    /// Secrets by the names in [`super::Setup::secrets`].
    pub secrets: BTreeMap<String, Secret>,
    /// A folder for what it stores, where [`super::Setup::store`] asks for one. What is written there
    /// outlives the service's process and the node, and goes with the lab.
    pub store: Option<PathBuf>,
    /// What it needs to speak for the lab's certificate authority, if [`super::Setup::authority`]
    /// asks for it.
    pub authority: Option<Authority>,
    /// Other nodes it talks to.
    pub peers: BTreeMap<String, Vec<Peer>>,
    /// Becomes true when it shall end; it has a second to do so.
    pub shutdown: watch::Receiver<bool>,
    /// Requests to the engine.
    pub network: mpsc::UnboundedSender<NetworkRequest>,
    /// Reports to the engine.
    pub report: mpsc::UnboundedSender<Report>,
    /// What it does for whom, told to those who watch.
    pub spans: Spans,
}

impl Context {
    /// Takes the listening TCP sockets of that name, ready for tokio.
    ///
    /// # Errors
    /// What tokio says of the socket.
    pub fn take_tcp(&mut self, name: &str) -> std::io::Result<Vec<tokio::net::TcpListener>> {
        let (taken, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.listeners)
            .into_iter()
            .partition(|(n, l)| n == name && matches!(l, Listener::Tcp(_)));
        self.listeners = rest;
        taken
            .into_iter()
            .filter_map(|(_, l)| match l {
                Listener::Tcp(socket) => Some(tokio::net::TcpListener::from_std(socket)),
                Listener::Udp(_) => None,
            })
            .collect()
    }

    /// Takes the bound UDP sockets of that name, ready for tokio.
    ///
    /// # Errors
    /// What tokio says of the socket.
    pub fn take_udp(&mut self, name: &str) -> std::io::Result<Vec<tokio::net::UdpSocket>> {
        let (taken, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.listeners)
            .into_iter()
            .partition(|(n, l)| n == name && matches!(l, Listener::Udp(_)));
        self.listeners = rest;
        taken
            .into_iter()
            .filter_map(|(_, l)| match l {
                Listener::Udp(socket) => Some(tokio::net::UdpSocket::from_std(socket)),
                Listener::Tcp(_) => None,
            })
            .collect()
    }

    /// Waits until the service shall end.
    pub async fn stopped(&mut self) {
        // An error means that the engine is gone: that is a stop, too.
        let _ = self.shutdown.wait_for(|stop| *stop).await;
    }
}
