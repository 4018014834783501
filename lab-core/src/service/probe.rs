//! Health checks: the service's own protocol, spoken from another node.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// What the check before this one left, and this one leaves for the next.
    pub kept: Kept,
}

/// A place for what a health check keeps until the next one, such as an open connection. It is
/// emptied when the process asked or the node that asks ends.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Kept {
    /// Takes what is there, if it is of this type.
    pub fn take<T: 'static>(&self) -> Option<T> {
        let what = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        what.and_then(|what| what.downcast().ok()).map(|what| *what)
    }

    /// Leaves something there.
    pub fn keep<T: Send + 'static>(&self, what: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(what));
    }

    /// Drops what is there.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
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
