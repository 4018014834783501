//! Sockets of a node, made for the keeper's health checks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use futures::future::BoxFuture;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::netns::NetNs;
use crate::service::Connect;

/// IP protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Told of each conversation before it begins: IP protocol number, local port, destination.
type Announce = Box<dyn Fn(u8, u16, SocketAddr) + Send + Sync>;

/// Makes sockets in one network namespace. A socket stays in the namespace it was made in.
pub struct NodeSockets {
    namespace: NetNs,
    announce: Option<Announce>,
}

impl NodeSockets {
    /// Sockets of that namespace.
    pub fn new(namespace: NetNs) -> Self {
        Self {
            namespace,
            announce: None,
        }
    }

    /// The same; each conversation is announced before its first packet.
    #[must_use]
    pub fn announcing(mut self, announce: Announce) -> Self {
        self.announce = Some(announce);
        self
    }
}

impl Connect for NodeSockets {
    fn tcp(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        let socket = self.namespace.within(|| match to {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        });
        // Bound to a port before it connects, so that the port can be told.
        let socket = socket.and_then(|socket| {
            if let Some(announce) = &self.announce {
                socket.bind(SocketAddr::new(unspecified(to), 0))?;
                announce(TCP, socket.local_addr()?.port(), to);
            }
            Ok(socket)
        });
        Box::pin(async move { socket?.connect(to).await })
    }

    fn udp(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<UdpSocket>> {
        let socket = self.namespace.within(|| {
            let socket = std::net::UdpSocket::bind((unspecified(to), 0))?;
            socket.set_nonblocking(true)?;
            if let Some(announce) = &self.announce {
                announce(UDP, socket.local_addr()?.port(), to);
            }
            Ok(socket)
        });
        Box::pin(async move {
            let socket = UdpSocket::from_std(socket?)?;
            socket.connect(to).await?;
            Ok(socket)
        })
    }
}

fn unspecified(to: SocketAddr) -> IpAddr {
    match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
