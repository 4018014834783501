use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What a packet says of where it comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// IP protocol number (6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6).
    pub protocol: u8,
    /// Source; for ICMP echo its port is the identifier, for protocols without ports it is 0.
    pub source: SocketAddr,
    /// Destination; its port is 0 for protocols without ports.
    pub destination: SocketAddr,
}

/// IP protocol numbers that are spoken of by name.
pub mod protocol {
    /// RFC 792.
    pub const ICMP: u8 = 1;
    /// RFC 9293.
    pub const TCP: u8 = 6;
    /// RFC 768.
    pub const UDP: u8 = 17;
    /// RFC 4443.
    pub const ICMPV6: u8 = 58;
}

impl Tuple {
    /// A TCP connection; addresses that are IPv4 in IPv6's clothes (`::ffff:…`) become IPv4.
    pub fn tcp(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::new(protocol::TCP, source, destination)
    }

    /// A UDP exchange; see [`Tuple::tcp`] for addresses.
    pub fn udp(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::new(protocol::UDP, source, destination)
    }

    /// A TCP connection that did not come about, so that nobody knows where it started: its
    /// source is the unspecified address with port 0.
    pub fn tcp_to(destination: SocketAddr) -> Self {
        let any: IpAddr = match destination {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self::tcp(SocketAddr::new(any, 0), destination)
    }

    /// See [`Tuple::tcp`] for addresses.
    pub fn new(protocol: u8, source: SocketAddr, destination: SocketAddr) -> Self {
        let plain =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Self {
            protocol,
            source: plain(source),
            destination: plain(destination),
        }
    }

    /// The way back. ICMP echoes keep their identifier on the source's side.
    #[must_use]
    pub fn reversed(self) -> Self {
        let (source, destination) = (self.destination, self.source);
        if self.is_icmp() {
            return Self {
                source: SocketAddr::new(source.ip(), self.source.port()),
                destination: SocketAddr::new(destination.ip(), 0),
                ..self
            };
        }
        Self {
            source,
            destination,
            ..self
        }
    }

    fn is_icmp(self) -> bool {
        matches!(self.protocol, protocol::ICMP | protocol::ICMPV6)
    }

    /// `tcp`, `udp`, `icmp` or `protocol 50`.
    pub fn protocol_name(self) -> String {
        match self.protocol {
            protocol::ICMP => "icmp".into(),
            protocol::TCP => "tcp".into(),
            protocol::UDP => "udp".into(),
            protocol::ICMPV6 => "icmpv6".into(),
            other => format!("protocol {other}"),
        }
    }
}

/// `tcp 192.168.1.20:40312 → 203.0.113.70:443`
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.protocol_name();
        if matches!(self.protocol, protocol::TCP | protocol::UDP) {
            write!(f, "{name} {} → {}", self.source, self.destination)
        } else {
            let (from, to): (IpAddr, IpAddr) = (self.source.ip(), self.destination.ip());
            write!(f, "{name} {from} → {to}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_way_back_of_a_connection_and_of_an_echo() {
        let there = Tuple::tcp(address("10.0.0.1:4000"), address("10.0.0.2:443"));
        assert_eq!(
            there.reversed(),
            Tuple::tcp(address("10.0.0.2:443"), address("10.0.0.1:4000"))
        );
        let echo = Tuple::new(
            protocol::ICMP,
            address("10.0.0.1:77"),
            address("10.0.0.2:0"),
        );
        let back = Tuple::new(
            protocol::ICMP,
            address("10.0.0.2:77"),
            address("10.0.0.1:0"),
        );
        assert_eq!(echo.reversed(), back);
        assert_eq!(back.reversed(), echo);
    }

    #[test]
    fn an_address_in_the_clothes_of_ipv6_is_ipv4() {
        let seen = Tuple::tcp(address("[::ffff:10.0.0.1]:4000"), address("10.0.0.2:443"));
        assert_eq!(seen.source, address("10.0.0.1:4000"));
        assert_eq!(seen.to_string(), "tcp 10.0.0.1:4000 → 10.0.0.2:443");
    }
}
