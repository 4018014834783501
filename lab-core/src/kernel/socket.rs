//! Sockets that services get bound.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

/// A listening, non-blocking TCP socket. `[::]` answers IPv4, too; where the kernel has no IPv6,
/// it becomes `0.0.0.0`.
///
/// # Errors
/// The address is in use, or not this node's.
pub fn listen_tcp(to: SocketAddr) -> io::Result<std::net::TcpListener> {
    let fd = bound(to, SockType::Stream)?;
    listen(&fd, Backlog::new(1024).unwrap_or(Backlog::MAXCONN))?;
    Ok(fd.into())
}

/// A bound, non-blocking UDP socket; see [`listen_tcp`].
///
/// # Errors
/// The address is in use, or not this node's.
pub fn bind_udp(to: SocketAddr) -> io::Result<std::net::UdpSocket> {
    Ok(bound(to, SockType::Datagram)?.into())
}

fn bound(to: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    match bound_as_it_is(to, kind) {
        Err(error)
            if to.ip().is_unspecified()
                && error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) =>
        {
            let any = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
            bound_as_it_is(SocketAddr::new(any, to.port()), kind)
        }
        result => result,
    }
}

fn bound_as_it_is(to: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, kind, flags, None)?;
    if kind == SockType::Stream {
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    if to.is_ipv6() {
        setsockopt(&fd.as_fd(), sockopt::Ipv6V6Only, &!to.ip().is_unspecified())?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(fd)
}
