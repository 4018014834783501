//! What the headers of a frame say, for people and for what follows a packet on its way.
//!
//! Total: whatever the bytes are, there is an answer, and what is cut off is left out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use etherparse::{
    ArpPacketSlice, IpNumber, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TcpSlice,
    TransportSlice,
};
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

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
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

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::SYN, "SYN"),
            (Self::FIN, "FIN"),
            (Self::RST, "RST"),
            (Self::PSH, "PSH"),
            (Self::ACK, "ACK"),
            (32, "URG"),
            (64, "ECE"),
            (128, "CWR"),
        ];
        let set = names.iter().filter(|(bit, _)| self.0 & bit != 0);
        let set: Vec<&str> = set.map(|(_, name)| *name).collect();
        f.write_str(&set.join(","))
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

impl Headers {
    /// Of a frame, as much of it as was taken, and its length on the wire.
    pub fn of(bytes: &[u8], length: u32) -> Self {
        let mut headers = Self {
            length,
            from_mac: None,
            to_mac: None,
            vlan: None,
            ether_type: 0,
            network: Network::Other,
        };
        let Ok(packet) = LaxSlicedPacket::from_ethernet(bytes) else {
            return headers;
        };
        if let Some(LinkSlice::Ethernet2(link)) = &packet.link {
            headers.from_mac = Some(Mac(link.source()));
            headers.to_mac = Some(Mac(link.destination()));
            headers.ether_type = link.ether_type().0;
        }
        for extension in &packet.link_exts {
            if let LaxLinkExtSlice::Vlan(tag) = extension {
                headers.vlan.get_or_insert(tag.vlan_identifier().value());
                headers.ether_type = tag.ether_type().0;
            }
        }
        headers.network = match &packet.net {
            Some(LaxNetSlice::Arp(arp)) => read_arp(arp).map_or(Network::Other, Network::Arp),
            Some(net) => {
                read_ip(net, packet.transport.as_ref()).map_or(Network::Other, Network::Ip)
            }
            None => Network::Other,
        };
        headers
    }

    /// The ends of the IP packet that it carries.
    pub fn flow(&self) -> Option<Flow> {
        match &self.network {
            Network::Ip(ip) => Some(ip.flow()),
            _ => None,
        }
    }
}

impl Ip {
    /// Its ends.
    pub fn flow(&self) -> Flow {
        let ports = match &self.transport {
            Transport::Tcp(tcp) => Some((tcp.from_port, tcp.to_port)),
            Transport::Udp(udp) => Some((udp.from_port, udp.to_port)),
            _ => None,
        };
        Flow {
            protocol: self.protocol,
            from: self.from,
            from_port: ports.map(|ports| ports.0),
            to: self.to,
            to_port: ports.map(|ports| ports.1),
        }
    }
}

fn read_arp(arp: &ArpPacketSlice<'_>) -> Option<Arp> {
    let sender: [u8; 4] = arp.sender_protocol_addr().try_into().ok()?;
    let target: [u8; 4] = arp.target_protocol_addr().try_into().ok()?;
    Some(Arp {
        operation: arp.operation().0,
        sender: sender.into(),
        sender_mac: Mac(arp.sender_hw_addr().try_into().ok()?),
        target: target.into(),
    })
}

fn read_ip(net: &LaxNetSlice<'_>, transport: Option<&TransportSlice<'_>>) -> Option<Ip> {
    // What the headers before the transport take of the length that the IP header tells.
    let (from, to, ttl, told) = match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let told = u32::from(header.total_len()).saturating_sub(u32::from(header.ihl()) * 4);
            (
                IpAddr::from(header.source_addr()),
                IpAddr::from(header.destination_addr()),
                header.ttl(),
                told,
            )
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let extensions = ip.extensions().slice().len() as u32;
            (
                IpAddr::from(header.source_addr()),
                IpAddr::from(header.destination_addr()),
                header.hop_limit(),
                u32::from(header.payload_length()).saturating_sub(extensions),
            )
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let payload = net.ip_payload_ref()?;
    Some(Ip {
        from,
        to,
        ttl,
        protocol: payload.ip_number.0,
        fragment: payload.fragmented,
        transport: transport.map_or_else(
            || cut_ports(payload.ip_number, payload.fragmented, payload.payload),
            |transport| read_transport(transport, told),
        ),
    })
}

/// The ports of a header that was cut off behind them.
fn cut_ports(protocol: IpNumber, fragment: bool, bytes: &[u8]) -> Transport {
    let (false, IpNumber::TCP, [a, b, c, d, ..]) = (fragment, protocol, bytes) else {
        return Transport::Other;
    };
    Transport::Tcp(Tcp {
        from_port: u16::from_be_bytes([*a, *b]),
        to_port: u16::from_be_bytes([*c, *d]),
        flags: TcpFlags(bytes.get(13).copied().unwrap_or_default()),
        sequence: 0,
        acknowledgment: 0,
        payload: 0,
    })
}

fn read_transport(transport: &TransportSlice<'_>, told: u32) -> Transport {
    match transport {
        TransportSlice::Tcp(tcp) => Transport::Tcp(Tcp {
            from_port: tcp.source_port(),
            to_port: tcp.destination_port(),
            flags: flags(tcp),
            sequence: tcp.sequence_number(),
            acknowledgment: tcp.acknowledgment_number(),
            payload: told.saturating_sub(tcp.header_slice().len() as u32),
        }),
        TransportSlice::Udp(udp) => Transport::Udp(Udp {
            from_port: udp.source_port(),
            to_port: udp.destination_port(),
            payload: u32::from(udp.length()).saturating_sub(8),
        }),
        TransportSlice::Icmpv4(icmp) => Transport::Icmp(Icmp {
            v6: false,
            kind: icmp.type_u8(),
            code: icmp.code_u8(),
            echo: matches!(icmp.type_u8(), 0 | 8).then(|| echo(icmp.bytes5to8())),
            // Unreachable, redirect, time exceeded, parameter problem.
            about: matches!(icmp.type_u8(), 3 | 5 | 11 | 12)
                .then(|| about(icmp.payload()))
                .flatten(),
        }),
        TransportSlice::Icmpv6(icmp) => Transport::Icmp(Icmp {
            v6: true,
            kind: icmp.type_u8(),
            code: icmp.code_u8(),
            echo: matches!(icmp.type_u8(), 128 | 129).then(|| echo(icmp.bytes5to8())),
            // Errors have the types below 128.
            about: (icmp.type_u8() < 128)
                .then(|| about(icmp.payload()))
                .flatten(),
        }),
        TransportSlice::Igmp(_) => Transport::Other,
    }
}

fn flags(tcp: &TcpSlice<'_>) -> TcpFlags {
    TcpFlags(tcp.slice().get(13).copied().unwrap_or_default())
}

fn echo([a, b, c, d]: [u8; 4]) -> (u16, u16) {
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// Ends of the packet whose beginning an error quotes: eight bytes after the IP header at least.
fn about(quoted: &[u8]) -> Option<Flow> {
    let packet = LaxSlicedPacket::from_ip(quoted).ok()?;
    Some(read_ip(packet.net.as_ref()?, packet.transport.as_ref())?.flow())
}

impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.network {
            Network::Ip(ip) => ip.fmt(f),
            Network::Arp(arp) if arp.operation == 1 => {
                write!(f, "ARP who has {}? tell {}", arp.target, arp.sender)
            }
            Network::Arp(arp) => write!(f, "ARP {} is at {}", arp.sender, arp.sender_mac),
            Network::Other => {
                match (self.from_mac, self.to_mac) {
                    (Some(from), Some(to)) => {
                        write!(f, "{from} > {to} type {:#06x}", self.ether_type)?;
                    }
                    _ => f.write_str("no whole header")?,
                }
                write!(f, " length {}", self.length)
            }
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.flow();
        flow.write_ends(f)?;
        match &self.transport {
            Transport::Tcp(tcp) => write!(f, " TCP {} length {}", tcp.flags, tcp.payload)?,
            Transport::Udp(udp) => write!(f, " UDP length {}", udp.payload)?,
            Transport::Icmp(icmp) => write!(f, " {icmp}")?,
            Transport::Other => write!(f, " {}", protocol_name(self.protocol))?,
        }
        if self.fragment {
            f.write_str(" fragment")?;
        }
        Ok(())
    }
}

impl Flow {
    fn write_ends(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        end(f, self.from, self.from_port)?;
        f.write_str(" > ")?;
        end(f, self.to, self.to_port)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_ends(f)?;
        write!(f, " {}", protocol_name(self.protocol))
    }
}

fn end(f: &mut fmt::Formatter<'_>, address: IpAddr, port: Option<u16>) -> fmt::Result {
    match (address, port) {
        (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
        (address, Some(port)) => write!(f, "{address}:{port}"),
        (address, None) => write!(f, "{address}"),
    }
}

fn protocol_name(protocol: u8) -> String {
    let name = match protocol {
        1 => "ICMP",
        2 => "IGMP",
        6 => "TCP",
        17 => "UDP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        132 => "SCTP",
        other => return format!("protocol {other}"),
    };
    name.to_owned()
}

impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.v6 { "ICMPv6 " } else { "ICMP " })?;
        let name = match (self.v6, self.kind, self.code) {
            (false, 0, _) | (true, 129, _) => "echo reply",
            (false, 8, _) | (true, 128, _) => "echo request",
            (false, 3, 0) | (true, 1, 0) => "network unreachable",
            (false, 3, 1) | (true, 1, 3) => "host unreachable",
            (false, 3, 3) | (true, 1, 4) => "port unreachable",
            (false, 3, 4) | (true, 2, _) => "packet too big",
            (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
            (false, 5, _) | (true, 137, _) => "redirect",
            (false, 11, _) | (true, 3, _) => "time exceeded",
            (true, 133, _) => "router solicitation",
            (true, 134, _) => "router advertisement",
            (true, 135, _) => "neighbour solicitation",
            (true, 136, _) => "neighbour advertisement",
            _ => "",
        };
        if name.is_empty() {
            write!(f, "type {} code {}", self.kind, self.code)?;
        } else {
            f.write_str(name)?;
        }
        if let Some((_, sequence)) = self.echo {
            write!(f, " {sequence}")?;
        }
        if let Some(about) = &self.about {
            write!(f, " about {about}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::{Headers, Network, TcpFlags, Transport};

    const FROM: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const TO: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn udp(data: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(FROM, TO)
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(4000, 53);
        builder.write(&mut frame, data).expect("a packet");
        frame
    }

    fn told(frame: &[u8]) -> String {
        Headers::of(frame, frame.len() as u32).to_string()
    }

    #[test]
    fn datagrams_and_segments_are_told_with_their_ends() {
        assert_eq!(
            told(&udp(b"abc")),
            "10.0.0.1:4000 > 10.0.0.2:53 UDP length 3"
        );
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(FROM, TO)
            .ipv6([0xfd; 16], [0xfc; 16], 7)
            .tcp(4000, 443, 17, 100)
            .syn();
        builder.write(&mut frame, &[]).expect("a packet");
        let headers = Headers::of(&frame, frame.len() as u32);
        let Network::Ip(ip) = &headers.network else {
            panic!("{headers:?}")
        };
        let Transport::Tcp(tcp) = ip.transport else {
            panic!("{ip:?}")
        };
        assert!(tcp.flags.opens() && tcp.flags == TcpFlags(TcpFlags::SYN));
        assert_eq!((ip.ttl, tcp.sequence, tcp.payload), (7, 17, 0));
        let ends = "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:4000 > [fcfc:";
        assert!(told(&frame).starts_with(ends), "{}", told(&frame));
        assert!(told(&frame).ends_with("TCP SYN length 0"));
    }

    #[test]
    fn an_error_names_the_packet_that_it_is_about() {
        let quoted = &udp(b"abc")[14..];
        let mut frame = Vec::new();
        let unreachable = etherparse::Icmpv4Type::DestinationUnreachable(
            etherparse::icmpv4::DestUnreachableHeader::Port,
        );
        let builder = PacketBuilder::ethernet2(TO, FROM)
            .ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .icmpv4(unreachable);
        builder.write(&mut frame, quoted).expect("a packet");
        assert_eq!(
            told(&frame),
            "10.0.0.2 > 10.0.0.1 ICMP port unreachable about 10.0.0.1:4000 > 10.0.0.2:53 UDP"
        );
    }

    #[test]
    fn what_is_cut_off_is_left_out_and_the_rest_is_told() {
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(FROM, TO)
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(4000, 443, 17, 100);
        builder.write(&mut frame, &[7; 500]).expect("a packet");
        for length in 0..frame.len() {
            let headers = Headers::of(&frame[..length], frame.len() as u32);
            assert_eq!(headers.length as usize, frame.len());
            let flow = headers.flow();
            assert_eq!(flow.is_some(), length >= 14 + 20, "{length}");
            let port = flow.and_then(|flow| flow.to_port);
            assert_eq!(port.is_some(), length >= 14 + 20 + 4, "{length}");
        }
        let whole = Headers::of(&frame[..80], frame.len() as u32).to_string();
        assert!(whole.ends_with("length 500"), "{whole}");
    }
}
