//! What the headers of a frame say, for people and for what follows a packet on its way.
//!
//! Total: whatever the bytes are, there is an answer, and what is cut off is left out.

mod read;
mod text;

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;
use time::OffsetDateTime;

use super::links::Link;

/// Which way a packet passes a link, as its node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The node receives it.
    In,
    /// The node sends it.
    Out,
}

/// A packet that was seen on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// Nanoseconds since the Unix epoch; as JSON in the form of RFC 3339, in UTC.
    #[serde(serialize_with = "as_moment")]
    pub time: u64,
    /// Where.
    #[serde(flatten)]
    pub link: Link,
    /// Which way.
    pub direction: Direction,
    /// What it says.
    #[serde(flatten)]
    pub headers: Headers,
}

fn as_moment<S: serde::Serializer>(time: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(*time))
        .map_err(serde::ser::Error::custom)?;
    let date = moment.date();
    let (hour, minute, second, nanosecond) = moment.to_hms_nano();
    serializer.collect_str(&format_args!(
        "{date}T{hour:02}:{minute:02}:{second:02}.{nanosecond:09}Z"
    ))
}

/// What the headers of a frame say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Headers {
    /// Length of the whole frame in bytes, the Ethernet header included.
    pub length: u32,
    /// Hardware address of the sender.
    pub from_mac: Option<Mac>,
    /// Hardware address of the receiver.
    pub to_mac: Option<Mac>,
    /// VLAN (IEEE 802.1Q), the outer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// EtherType of what it carries (`0x0800` IPv4).
    pub ether_type: u16,
    /// What it carries.
    #[serde(flatten)]
    pub network: Network,
}

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Of `02:00:00:00:00:01`.
    pub fn read(text: &str) -> Option<Self> {
        let bytes: Option<Vec<u8>> = text
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16).ok())
            .collect();
        bytes?.try_into().ok().map(Self)
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// An IP packet.
    Ip(Ip),
    /// A question for a neighbour or its answer (RFC 826).
    Arp(Arp),
    /// Something else.
    Other,
}

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ip {
    /// Source.
    pub from: IpAddr,
    /// Destination.
    pub to: IpAddr,
    /// Hops that it may still make.
    pub ttl: u8,
    /// Protocol of what it carries (6 TCP, 17 UDP), after IPv6's extension headers.
    pub protocol: u8,
    /// It is a piece of a packet. Only the first piece has ports.
    pub fragment: bool,
    /// What it carries.
    #[serde(flatten)]
    pub transport: Transport,
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// ICMP or ICMPv6.
    Icmp(Icmp),
    /// Something else, or a piece without a beginning.
    Other,
}

/// A segment of TCP (RFC 9293).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tcp {
    /// Source port.
    pub from_port: u16,
    /// Destination port.
    pub to_port: u16,
    /// Flags.
    pub flags: TcpFlags,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; says nothing without the flag.
    pub acknowledgment: u32,
    /// Bytes of data, as the IP header tells.
    pub payload: u32,
}

/// Flags of TCP, as they stand in the header's fourteenth byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from here.
    pub const FIN: u8 = 1;
    /// A connection begins.
    pub const SYN: u8 = 2;
    /// The connection is refused or given up.
    pub const RST: u8 = 4;
    /// Data to be handed over at once.
    pub const PSH: u8 = 8;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;

    /// Whether all of these are set.
    pub fn has(self, flags: u8) -> bool {
        self.0 & flags == flags
    }

    /// Whether a connection is asked for: SYN without ACK.
    pub fn opens(self) -> bool {
        self.has(Self::SYN) && !self.has(Self::ACK)
    }
}

impl Serialize for TcpFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A datagram of UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Udp {
    /// Source port.
    pub from_port: u16,
    /// Destination port.
    pub to_port: u16,
    /// Bytes of data, as the header tells.
    pub payload: u32,
}

/// A message of ICMP (RFC 792) or ICMPv6 (RFC 4443).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Icmp {
    /// ICMPv6, whose types are others.
    pub v6: bool,
    /// Type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier and sequence number of an echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo: Option<(u16, u16)>,
    /// The packet that an error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Flow>,
}

/// Ends and protocol of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Flow {
    /// Protocol (6 TCP, 17 UDP).
    pub protocol: u8,
    /// Source.
    pub from: IpAddr,
    /// Its port, where the protocol has ports.
    pub from_port: Option<u16>,
    /// Destination.
    pub to: IpAddr,
    /// Its port.
    pub to_port: Option<u16>,
}

/// A question for a neighbour or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Arp {
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// The address of who sends it.
    pub sender: Ipv4Addr,
    /// Its hardware address.
    pub sender_mac: Mac,
    /// The address that it is about.
    pub target: Ipv4Addr,
}

#[cfg(test)]
mod tests;
