//! What is asked for: a protocol with its port, at an address or a name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A protocol with its destination port, written `tcp/443`, `udp/53`, `icmp` (an echo request) or
/// `ip/50`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A TCP connection to this port.
    Tcp(u16),
    /// A UDP datagram to this port.
    Udp(u16),
    /// An echo request (ICMP, ICMPv6).
    Icmp,
    /// A packet of another IP protocol, by number.
    Protocol(u8),
}

impl Kind {
    /// The IP protocol's number (IANA), which for ICMP depends on the family.
    pub fn number(self, to: IpAddr) -> u8 {
        match self {
            Kind::Icmp if to.is_ipv4() => 1,
            Kind::Icmp => 58,
            Kind::Tcp(_) => 6,
            Kind::Udp(_) => 17,
            Kind::Protocol(number) => number,
        }
    }

    /// The destination port.
    pub fn port(self) -> Option<u16> {
        match self {
            Kind::Tcp(port) | Kind::Udp(port) => Some(port),
            Kind::Icmp | Kind::Protocol(_) => None,
        }
    }

    /// The same with another port, if it has one.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        match self {
            Kind::Tcp(_) => Kind::Tcp(port),
            Kind::Udp(_) => Kind::Udp(port),
            other => other,
        }
    }

    /// The protocol in words.
    pub fn protocol(self) -> String {
        match self {
            Kind::Tcp(_) => "tcp".into(),
            Kind::Udp(_) => "udp".into(),
            Kind::Icmp => "icmp".into(),
            Kind::Protocol(number) => format!("ip/{number}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port() {
            Some(port) => write!(f, "{}/{port}", self.protocol()),
            None => f.write_str(&self.protocol()),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| match text.parse::<u16>() {
            Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
            _ => Err(format!(
                "`{text}` is no port: that is a number from 1 to 65535"
            )),
        };
        match text.split_once('/') {
            None if text == "icmp" => Ok(Kind::Icmp),
            None if text.starts_with(|c: char| c.is_ascii_digit()) => Ok(Kind::Tcp(port(text)?)),
            Some(("tcp", number)) => Ok(Kind::Tcp(port(number)?)),
            Some(("udp", number)) => Ok(Kind::Udp(port(number)?)),
            Some(("ip", number)) => match number.parse::<u8>() {
                Ok(number) => Ok(Kind::Protocol(number)),
                Err(_) => Err(format!(
                    "`{number}` is no IP protocol: that is a number from 0 to 255"
                )),
            },
            _ => Err(format!(
                "`{text}` is no port or protocol: `443`, `tcp/443`, `udp/53`, `icmp` and `ip/50` are"
            )),
        }
    }
}

/// Where to, as people write it: `mail.contoso.com:443`, `10.0.50.10:udp/53`, `[2001:db8::1]:icmp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// A name or an address.
    pub host: String,
    /// What is sent there.
    pub kind: Kind,
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_port =
            || format!("`{text}` names no port: write HOST:PORT, HOST:udp/PORT or HOST:icmp");
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err(format!("write an IPv6 address in brackets: `[{text}]:443`"));
        }
        let (host, kind) = match text.strip_prefix('[').map(|rest| rest.split_once("]:")) {
            Some(Some((host, kind))) => {
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(format!("`{host}` is no IPv6 address"));
                }
                (host, kind)
            }
            Some(None) => return Err(no_port()),
            None => text.rsplit_once(':').ok_or_else(no_port)?,
        };
        if host.is_empty() {
            return Err(format!("`{text}` names no host"));
        }
        if host.contains(['/', ' ', '@']) {
            return Err(format!("`{host}` is no host: write a name or an address"));
        }
        Ok(Self {
            host: host.trim_end_matches('.').to_ascii_lowercase(),
            kind: kind.parse()?,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.kind {
            Kind::Tcp(port) => write!(f, "{host}:{port}"),
            other => write!(f, "{host}:{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Destination, Kind};

    #[test]
    fn destinations_are_read_as_they_are_written() {
        for (text, host, kind) in [
            ("Mail.contoso.com:443", "mail.contoso.com", Kind::Tcp(443)),
            ("dc1:udp/53", "dc1", Kind::Udp(53)),
            ("10.0.0.1:icmp", "10.0.0.1", Kind::Icmp),
            ("10.0.0.1:ip/50", "10.0.0.1", Kind::Protocol(50)),
            ("[2001:db8::1]:tcp/80", "2001:db8::1", Kind::Tcp(80)),
        ] {
            let host = host.to_owned();
            assert_eq!(text.parse(), Ok(Destination { host, kind }), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "mail",
            "mail:",
            ":443",
            "mail:0",
            "mail:70000",
            "mail:http",
            "mail:udp",
            "mail:ip/256",
            "2001:db8::1",
            "[2001:db8::1]",
            "[x]:1",
            "https://mail/:443",
            "mail:+5",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
