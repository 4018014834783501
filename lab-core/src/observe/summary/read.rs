//! Frames → headers.

use std::net::IpAddr;

use etherparse::{
    ArpPacketSlice, IpNumber, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TcpSlice,
    TransportSlice,
};

use super::{Arp, Flow, Headers, Icmp, Ip, Mac, Network, Tcp, TcpFlags, Transport, Udp};

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
