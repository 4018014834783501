//! Headers of packets, as far as a journey needs them. Total: whatever the bytes, there is a
//! packet or none.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    ArpOperation, Icmpv4Type, Icmpv6Type, LaxNetSlice, LaxSlicedPacket, TransportSlice, icmpv4,
    icmpv6,
};

use super::tuple::{Tuple, protocol};

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where from and to.
    pub tuple: Tuple,
    /// What it is.
    pub kind: Kind,
}

/// What a packet is to its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP.
    Tcp {
        /// SYN.
        syn: bool,
        /// ACK.
        ack: bool,
        /// FIN.
        fin: bool,
        /// RST.
        rst: bool,
        /// Sequence number: what tells a packet that is sent once more from the first of another
        /// conversation.
        sequence: u32,
    },
    /// UDP, or a protocol without connections and messages of its own (ESP).
    Datagram,
    /// ICMP echo request.
    EchoRequest,
    /// ICMP echo reply.
    EchoReply,
    /// An ICMP error about another packet.
    Error {
        /// What is wrong, as RFC 792 and RFC 4443 call it.
        why: &'static str,
        /// Nobody listens on that port.
        port: bool,
        /// The packet it is about.
        about: Tuple,
    },
    /// Anything else, which begins no conversation.
    Other,
}

/// The packet in an Ethernet frame, and the hardware address that it is sent to.
pub fn in_frame(frame: &[u8]) -> Option<([u8; 6], Packet)> {
    let to = *frame.first_chunk()?;
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    Some((to, packet(&sliced)?))
}

/// A node asks its neighbours for the hardware address of one of them, or one answers (ARP, RFC
/// 826; neighbour discovery, RFC 4861).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The address that is looked for, or that answers.
    pub address: IpAddr,
    /// It is the answer.
    pub answers: bool,
}

/// The question after a neighbour, or the answer, in an Ethernet frame.
pub fn neighbour_in_frame(frame: &[u8]) -> Option<Neighbour> {
    const SOLICITATION: u8 = 135;
    const ADVERTISEMENT: u8 = 136;
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    if let LaxNetSlice::Arp(arp) = sliced.net.as_ref()? {
        let answers = arp.operation() == ArpOperation::REPLY;
        let address = if answers {
            arp.sender_protocol_addr()
        } else {
            arp.target_protocol_addr()
        };
        let address: [u8; 4] = address.try_into().ok()?;
        return Some(Neighbour {
            address: IpAddr::from(address),
            answers,
        });
    }
    let Some(TransportSlice::Icmpv6(icmp)) = sliced.transport.as_ref() else {
        return None;
    };
    let kind = icmp.type_u8();
    let target: [u8; 16] = *icmp.slice().get(8..)?.first_chunk()?;
    matches!(kind, SOLICITATION | ADVERTISEMENT).then(|| Neighbour {
        address: IpAddr::from(target),
        answers: kind == ADVERTISEMENT,
    })
}

/// The packet that begins with these headers of network and transport layer.
pub fn in_headers(headers: &[u8]) -> Option<Packet> {
    packet(&LaxSlicedPacket::from_ip(headers).ok()?)
}

fn packet(sliced: &LaxSlicedPacket<'_>) -> Option<Packet> {
    let (source, destination, number, rest): (IpAddr, IpAddr, u8, &[u8]) =
        match sliced.net.as_ref()? {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                    ip.payload().ip_number.0,
                    ip.payload().payload,
                )
            }
            LaxNetSlice::Ipv6(ip) => {
                let header = ip.header();
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                    ip.payload().ip_number.0,
                    ip.payload().payload,
                )
            }
            LaxNetSlice::Arp(_) => return None,
        };
    let tuple = |from: u16, to: u16| {
        Tuple::new(
            number,
            SocketAddr::new(source, from),
            SocketAddr::new(destination, to),
        )
    };
    let (tuple, kind) = match sliced.transport.as_ref() {
        Some(TransportSlice::Tcp(tcp)) => (
            tuple(tcp.source_port(), tcp.destination_port()),
            Kind::Tcp {
                syn: tcp.syn(),
                ack: tcp.ack(),
                fin: tcp.fin(),
                rst: tcp.rst(),
                sequence: tcp.sequence_number(),
            },
        ),
        Some(TransportSlice::Udp(udp)) => (
            tuple(udp.source_port(), udp.destination_port()),
            Kind::Datagram,
        ),
        Some(TransportSlice::Icmpv4(icmp)) => match icmp.icmp_type() {
            Icmpv4Type::EchoRequest(echo) => (tuple(echo.id, 0), Kind::EchoRequest),
            Icmpv4Type::EchoReply(echo) => (tuple(echo.id, 0), Kind::EchoReply),
            Icmpv4Type::DestinationUnreachable(code) => {
                let port = matches!(code, icmpv4::DestUnreachableHeader::Port);
                (tuple(0, 0), error(words_v4(&code), port, icmp.payload()))
            }
            Icmpv4Type::TimeExceeded(_) => (
                tuple(0, 0),
                error("the hop limit was exceeded", false, icmp.payload()),
            ),
            _ => (tuple(0, 0), Kind::Other),
        },
        Some(TransportSlice::Icmpv6(icmp)) => match icmp.icmp_type() {
            Icmpv6Type::EchoRequest(echo) => (tuple(echo.id, 0), Kind::EchoRequest),
            Icmpv6Type::EchoReply(echo) => (tuple(echo.id, 0), Kind::EchoReply),
            Icmpv6Type::DestinationUnreachable(code) => {
                let port = matches!(code, icmpv6::DestUnreachableCode::Port);
                (tuple(0, 0), error(words_v6(code), port, icmp.payload()))
            }
            Icmpv6Type::PacketTooBig { .. } => (
                tuple(0, 0),
                error("the packet is too big", false, icmp.payload()),
            ),
            Icmpv6Type::TimeExceeded(_) => (
                tuple(0, 0),
                error("the hop limit was exceeded", false, icmp.payload()),
            ),
            _ => (tuple(0, 0), Kind::Other),
        },
        // An error may carry no more than ports and four bytes behind them (RFC 792).
        None if matches!(number, protocol::TCP | protocol::UDP) => match *rest {
            [a, b, c, d, ..] => (
                tuple(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
                Kind::Other,
            ),
            _ => (tuple(0, 0), Kind::Other),
        },
        None if matches!(number, ESP | AH) => (tuple(0, 0), Kind::Datagram),
        None | Some(TransportSlice::Igmp(_)) => (tuple(0, 0), Kind::Other),
    };
    Some(Packet { tuple, kind })
}

/// RFC 4303 and RFC 4302.
const ESP: u8 = 50;
const AH: u8 = 51;

fn error(why: &'static str, port: bool, payload: &[u8]) -> Kind {
    // An error about an error is not sent (RFC 1122 §3.2.2), so this goes no deeper.
    match in_headers(payload) {
        Some(Packet {
            kind: Kind::Error { .. },
            ..
        })
        | None => Kind::Other,
        Some(about) => Kind::Error {
            why,
            port,
            about: about.tuple,
        },
    }
}

fn words_v4(code: &icmpv4::DestUnreachableHeader) -> &'static str {
    use icmpv4::DestUnreachableHeader as Code;
    match code {
        Code::Network => "no route",
        Code::Host => "the host does not answer",
        Code::Protocol => "the protocol is not spoken there",
        Code::Port => "nobody listens on that port",
        Code::FragmentationNeeded { .. } => "the packet is too big",
        Code::NetworkProhibited | Code::HostProhibited | Code::FilterProhibited => {
            "administratively prohibited"
        }
        _ => "unreachable",
    }
}

fn words_v6(code: icmpv6::DestUnreachableCode) -> &'static str {
    use icmpv6::DestUnreachableCode as Code;
    match code {
        Code::NoRoute => "no route",
        Code::Prohibited => "administratively prohibited",
        Code::Address => "the host does not answer",
        Code::Port => "nobody listens on that port",
        Code::RejectRoute => "the route is rejected",
        _ => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn built(builder: etherparse::PacketBuilderStep<etherparse::TcpHeader>) -> Vec<u8> {
        let mut bytes = Vec::new();
        builder.write(&mut bytes, b"hello").expect("a packet");
        bytes
    }

    fn syn() -> Vec<u8> {
        built(
            PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
                .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
                .tcp(4000, 443, 1, 100)
                .syn(),
        )
    }

    fn tuple() -> Tuple {
        Tuple::tcp(
            "10.0.0.1:4000".parse().expect("an address"),
            "10.0.0.2:443".parse().expect("an address"),
        )
    }

    #[test]
    fn a_frame_cut_short_behind_its_headers_is_read() {
        let frame = syn();
        let (to, packet) = in_frame(&frame[..frame.len() - 3]).expect("a packet");
        assert_eq!(to, [2, 0, 0, 0, 0, 2]);
        assert_eq!(packet.tuple, tuple());
        let begins = Kind::Tcp {
            syn: true,
            ack: false,
            fin: false,
            rst: false,
            sequence: 1,
        };
        assert_eq!(packet.kind, begins);
        assert_eq!(
            in_headers(&frame[14..]).map(|packet| packet.tuple),
            Some(tuple())
        );
    }

    #[test]
    fn an_error_names_the_packet_it_is_about() {
        let header = icmpv4::DestUnreachableHeader::Port;
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .icmpv4(Icmpv4Type::DestinationUnreachable(header))
            .write(&mut bytes, &syn()[14..14 + 28])
            .expect("a packet");
        let refused = Kind::Error {
            why: "nobody listens on that port",
            port: true,
            about: tuple(),
        };
        assert_eq!(in_headers(&bytes).map(|packet| packet.kind), Some(refused));
    }

    #[test]
    fn options_of_tcp_may_be_missing() {
        // The kernel tells twenty bytes of each header, here of a SYN with twenty bytes of options.
        let mut bytes = syn()[14..54].to_vec();
        bytes[2..4].copy_from_slice(&60_u16.to_be_bytes());
        bytes[32] = 0xa0;
        assert_eq!(in_headers(&bytes).map(|packet| packet.tuple), Some(tuple()));
    }

    #[test]
    fn any_bytes_are_a_packet_or_none() {
        let frame = syn();
        for length in 0..frame.len() {
            let _ = in_frame(&frame[..length]);
            let _ = in_headers(&frame[length..]);
        }
    }
}
