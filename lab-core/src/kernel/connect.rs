//! Sockets of a node, made for the keeper's health checks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use futures::future::BoxFuture;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::netns::NetNs;
use crate::service::Connect;

/// Makes sockets in one network namespace. A socket stays in the namespace it was made in.
#[derive(Debug)]
pub struct NodeSockets {
    namespace: NetNs,
}

impl NodeSockets {
    /// Sockets of that namespace.
    pub fn new(namespace: NetNs) -> Self {
        Self { namespace }
    }
}

impl Connect for NodeSockets {
    fn tcp(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        let socket = self.namespace.within(|| match to {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        });
        Box::pin(async move { socket?.connect(to).await })
    }

    fn udp(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<UdpSocket>> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = self.namespace.within(|| {
            let socket = std::net::UdpSocket::bind((any, 0))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        Box::pin(async move {
            let socket = UdpSocket::from_std(socket?)?;
            socket.connect(to).await?;
            Ok(socket)
        })
    }
}
