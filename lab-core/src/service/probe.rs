//! Health checks: the service's own protocol, spoken from another node.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use tokio::net::{TcpStream, UdpSocket};

/// Sockets of the node that asks.
pub trait Connect: Send + Sync {
    /// A TCP connection from the asking node.
    fn tcp(&self, to: SocketAddr) -> BoxFuture<'static, std::io::Result<TcpStream>>;
    /// A UDP socket of the asking node, connected to `to`.
    fn udp(&self, to: SocketAddr) -> BoxFuture<'static, std::io::Result<UdpSocket>>;
}

/// What a health check gets.
#[derive(Clone)]
pub struct Probe {
    /// The address asked.
    pub address: IpAddr,
    /// The name its certificate must carry.
    pub fqdn: String,
    /// The settings of the service asked.
    pub settings: Value,
    /// Roots of the lab's CA.
    pub trust: Vec<CertificateDer<'static>>,
    /// Sockets of the asking node.
    pub connect: Arc<dyn Connect>,
}

/// Why a health check failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProbeError(
    /// A sentence.
    pub String,
);

impl ProbeError {
    /// Makes one from anything that can be shown.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self(message.to_string())
    }
}
