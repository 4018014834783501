//! Protocols, addresses and ports as fields of a frame.

use std::net::IpAddr;

use ipnet::IpNet;

use super::condition::{Comparison, Field, Kind, Size};

/// Of which end something is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    From,
    To,
    #[default]
    Either,
    Both,
}

impl Side {
    /// A condition of the source, of the destination, or of these.
    fn of(self, condition: impl Fn(bool) -> Kind) -> Kind {
        match self {
            Side::From => condition(true),
            Side::To => condition(false),
            Side::Either => condition(true).or(condition(false)),
            Side::Both => condition(true).and(condition(false)),
        }
    }
}

/// A protocol that a filter can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ether,
    Ip,
    Ip6,
    Arp,
    Rarp,
    /// Carried by IP: its number.
    Carried(u8),
}

const ICMP: u8 = 1;
const IGMP: u8 = 2;
const IGRP: u8 = 9;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const VRRP: u8 = 112;
const SCTP: u8 = 132;
const FRAGMENT: u8 = 44;

const CARRIED: [(&str, u8); 13] = [
    ("icmp", ICMP),
    ("igmp", IGMP),
    ("igrp", IGRP),
    ("tcp", TCP),
    ("udp", UDP),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", ICMP6),
    ("icmpv6", ICMP6),
    ("pim", 103),
    ("vrrp", VRRP),
    ("sctp", SCTP),
];

/// What a header or data field of a protocol is called, with its place or value.
pub(super) const CONSTANTS: [(&str, u32); 28] = [
    ("tcpflags", 13),
    ("tcp-fin", 1),
    ("tcp-syn", 2),
    ("tcp-rst", 4),
    ("tcp-push", 8),
    ("tcp-ack", 16),
    ("tcp-urg", 32),
    ("tcp-ece", 64),
    ("tcp-cwr", 128),
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationrunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-neighborsolicit", 135),
];

/// Ports that have a name.
const PORTS: [(&str, u16); 28] = [
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("http", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("ntp", 123),
    ("imap2", 143),
    ("imap", 143),
    ("snmp", 161),
    ("ldap", 389),
    ("https", 443),
    ("isakmp", 500),
    ("syslog", 514),
    ("submission", 587),
    ("ldaps", 636),
    ("imaps", 993),
    ("pop3s", 995),
    ("ms-sql-s", 1433),
    ("stun", 3478),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("xmpp-server", 5269),
];

impl Protocol {
    /// The protocol of a name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ether" | "link" => Self::Ether,
            "ip" => Self::Ip,
            "ip6" => Self::Ip6,
            "arp" => Self::Arp,
            "rarp" => Self::Rarp,
            name => Self::Carried(carried(name)?),
        })
    }

    /// Names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let others = ["ether", "ip", "ip6", "arp", "rarp"];
        others.into_iter().chain(CARRIED.map(|(name, _)| name))
    }

    /// A frame carries it.
    pub fn condition(self) -> Kind {
        match self {
            Self::Ether => Kind::Always,
            Self::Ip => ether_type(0x0800),
            Self::Ip6 => ether_type(0x86dd),
            Self::Arp => ether_type(0x0806),
            Self::Rarp => ether_type(0x8035),
            // Each belongs to one version of IP.
            Self::Carried(number @ (ICMP | IGMP | IGRP | VRRP)) => ip_carries(number),
            Self::Carried(ICMP6) => ip6_carries(ICMP6),
            Self::Carried(number) => carries(number),
        }
    }
}

/// The number of a protocol that IP carries.
pub(super) fn carried(name: &str) -> Option<u8> {
    let found = CARRIED.iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| *number)
}

/// The port of a name.
pub(super) fn port_named(name: &str) -> Option<u16> {
    let found = PORTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, port)| *port)
}

fn byte(at: u32, value: u8) -> Kind {
    Kind::is(Field::Frame(Size::Byte, at), value.into())
}

pub(super) fn ether_type(value: u16) -> Kind {
    Kind::is(Field::Frame(Size::Half, 12), value.into())
}

/// IPv4 or IPv6 that carries a protocol.
pub(super) fn carries(number: u8) -> Kind {
    ip_carries(number).or(ip6_carries(number))
}

pub(super) fn ip_carries(number: u8) -> Kind {
    Protocol::Ip.condition().and(byte(23, number))
}

/// Directly, or behind a fragment header.
pub(super) fn ip6_carries(number: u8) -> Kind {
    let behind = byte(20, FRAGMENT).and(byte(54, number));
    Protocol::Ip6.condition().and(byte(20, number).or(behind))
}

/// It is no later piece of an IPv4 packet.
pub(super) fn first_fragment() -> Kind {
    Kind::Field {
        field: Field::Frame(Size::Half, 20),
        mask: None,
        comparison: Comparison::Bits,
        value: 0x1fff,
    }
    .not()
}

/// Ports `from` to `to` of one protocol, or of all that have ports.
pub(super) fn ports(protocol: Option<u8>, side: Side, from: u16, to: u16) -> Kind {
    let numbers: Vec<u8> = protocol.map_or_else(|| vec![TCP, UDP, SCTP], |number| vec![number]);
    let any = |at: u32| {
        let conditions = numbers.iter().map(|number| byte(at, *number));
        conditions.reduce(Kind::or).unwrap_or(Kind::Always)
    };
    let is = |field| {
        if from == to {
            Kind::is(field, from.into())
        } else {
            Kind::within(field, from.into(), to.into())
        }
    };
    let four = side.of(|source| is(Field::Payload(Size::Half, if source { 0 } else { 2 })));
    let six = side.of(|source| is(Field::Frame(Size::Half, if source { 54 } else { 56 })));
    let ip = Protocol::Ip.condition().and(any(23)).and(first_fragment());
    let ip6 = Protocol::Ip6.condition().and(any(20));
    ip.and(four).or(ip6.and(six))
}

/// Whether a protocol has ports.
pub(super) fn has_ports(number: u8) -> bool {
    matches!(number, TCP | UDP | SCTP)
}

/// Addresses of a network, in IP packets and in ARP, or in what one protocol says.
pub(super) fn network(protocol: Option<Protocol>, side: Side, net: IpNet) -> Option<Kind> {
    let (address, length) = (net.network(), u32::from(net.prefix_len()));
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            let value = u32::from(address);
            let at = |kind: Protocol, source: u32, target: u32| {
                let field = |from| Field::Frame(Size::Word, if from { source } else { target });
                let ends = side.of(|from| Kind::masked(field(from), mask, value));
                kind.condition().and(ends)
            };
            let ip = at(Protocol::Ip, 26, 30);
            let arp = at(Protocol::Arp, 28, 38);
            let rarp = at(Protocol::Rarp, 28, 38);
            match protocol {
                None => Some(ip.or(arp).or(rarp)),
                Some(Protocol::Ip) => Some(ip),
                Some(Protocol::Arp) => Some(arp),
                Some(Protocol::Rarp) => Some(rarp),
                Some(_) => None,
            }
        }
        IpAddr::V6(address) => {
            if !matches!(protocol, None | Some(Protocol::Ip6)) {
                return None;
            }
            let bits = u128::from(address);
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            let ends = side.of(|from| {
                let start = if from { 22 } else { 38 };
                let words = (0..4u32).map(|word| {
                    let part = |bits: u128| (bits >> (96 - 32 * word)) as u32;
                    (
                        Field::Frame(Size::Word, start + 4 * word),
                        part(mask),
                        part(bits),
                    )
                });
                words
                    .filter(|(_, mask, _)| *mask != 0)
                    .map(|(field, mask, bits)| Kind::masked(field, mask, bits))
                    .reduce(Kind::and)
                    .unwrap_or(Kind::Always)
            });
            Some(Protocol::Ip6.condition().and(ends))
        }
    }
}

/// A hardware address.
pub(super) fn hardware(side: Side, mac: [u8; 6]) -> Kind {
    let [a, b, c, d, e, f] = mac;
    side.of(|from| {
        let start = if from { 6 } else { 0 };
        let end = Kind::is(
            Field::Frame(Size::Word, start + 2),
            u32::from_be_bytes([c, d, e, f]),
        );
        let begin = Kind::is(
            Field::Frame(Size::Half, start),
            u16::from_be_bytes([a, b]).into(),
        );
        end.and(begin)
    })
}

/// To many receivers: in the frame's address, or in that of IPv4 or IPv6.
pub(super) fn multicast(protocol: Option<Protocol>) -> Option<Kind> {
    match protocol {
        None | Some(Protocol::Ether) => Some(Kind::Field {
            field: Field::Frame(Size::Byte, 0),
            mask: None,
            comparison: Comparison::Bits,
            value: 1,
        }),
        Some(Protocol::Ip) => Some(Protocol::Ip.condition().and(Kind::Field {
            field: Field::Frame(Size::Byte, 30),
            mask: None,
            comparison: Comparison::AtLeast,
            value: 224,
        })),
        Some(Protocol::Ip6) => Some(Protocol::Ip6.condition().and(byte(38, 0xff))),
        Some(_) => None,
    }
}
