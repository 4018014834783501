//! Sockets of another network namespace, for health checks.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::netns::NetNs;
use crate::service::Connect;

/// Makes sockets inside one namespace. They stay there wherever they are used.
#[derive(Debug)]
pub struct NodeSockets {
    namespace: NetNs,
}

impl NodeSockets {
    /// Sockets of this namespace.
    pub fn new(namespace: NetNs) -> Self {
        Self { namespace }
    }

    fn tcp_socket(&self, to: SocketAddr) -> io::Result<TcpSocket> {
        let _inside = self.namespace.enter()?;
        if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
    }

    fn udp_socket(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let any = match to {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = {
            let _inside = self.namespace.enter()?;
            std::net::UdpSocket::bind(any)?
        };
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    }
}

impl Connect for NodeSockets {
    fn tcp(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        // Made now: the namespace must not be changed while anything waits.
        let socket = self.tcp_socket(to);
        async move { socket?.connect(to).await }.boxed()
    }

    fn udp(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<UdpSocket>> {
        let socket = self.udp_socket(to);
        async move { socket }.boxed()
    }
}
