//! Addresses, networks, ports and protocols: what stands behind qualifiers.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::condition::Kind;
use super::parse::{Parser, Qualifiers, What, WrongFilter, wrong};
use super::protocol::{self, Protocol};
use super::relation::number;
use crate::model::nearest;
use crate::observe::names::Names;

impl<'a> Parser<'a> {
    /// One value, or several in parentheses.
    pub(super) fn values(&mut self) -> Result<Kind, WrongFilter> {
        if !self.take_sign("(") {
            return self.value();
        }
        let kind = self.deeper(|parser| {
            let mut kind = parser.values()?;
            loop {
                if parser.take_sign("&&") {
                    kind = kind.and(parser.values()?);
                } else if parser.take_sign("||") {
                    kind = kind.or(parser.values()?);
                } else {
                    return Ok(kind);
                }
            }
        })?;
        self.close()?;
        Ok(kind)
    }

    fn value(&mut self) -> Result<Kind, WrongFilter> {
        let Some(word) = self.word() else {
            return match self.peek() {
                Some(token) => wrong(format!(
                    "`{}` stands where an address, a port or a name is missing",
                    token.text()
                )),
                None => wrong("it ends where an address, a port or a name is missing"),
            };
        };
        self.at += 1;
        let Qualifiers { side, what, .. } = self.last;
        match what {
            What::Port => {
                let port = self.port(word)?;
                let carried = self.with_ports("port")?;
                Ok(protocol::ports(carried, side, port, port))
            }
            What::PortRange => {
                let (from, to) = match word.split_once('-') {
                    Some((from, to)) => (self.port(from)?, self.port(to)?),
                    None => (self.port(word)?, self.port(word)?),
                };
                let carried = self.with_ports("portrange")?;
                Ok(protocol::ports(carried, side, from.min(to), from.max(to)))
            }
            What::Proto => self.proto(word),
            What::Host | What::Net | What::Default => self.address(word),
        }
    }

    fn with_ports(&self, what: &str) -> Result<Option<u8>, WrongFilter> {
        match self.last.protocol {
            None => Ok(None),
            Some(Protocol::Carried(number)) if protocol::has_ports(number) => Ok(Some(number)),
            Some(_) => wrong(format!(
                "`{what}` goes with tcp, udp, sctp or nothing before it"
            )),
        }
    }

    fn port(&self, word: &str) -> Result<u16, WrongFilter> {
        let known = number(word).map(u16::try_from);
        match known {
            Some(Ok(port)) => Ok(port),
            Some(Err(_)) => wrong(format!("{word} is no port: the highest is 65535")),
            None => match protocol::port_named(word) {
                Some(port) => Ok(port),
                None => wrong(format!("`{word}` is no port; write its number")),
            },
        }
    }

    fn proto(&self, word: &str) -> Result<Kind, WrongFilter> {
        let value = number(word);
        if self.last.protocol == Some(Protocol::Ether) {
            let kind = match (value, Protocol::named(word)) {
                (Some(value), _) => u16::try_from(value).ok().map(protocol::ether_type),
                (None, Some(Protocol::Carried(_) | Protocol::Ether) | None) => None,
                (None, Some(protocol)) => Some(protocol.condition()),
            };
            return match kind {
                Some(kind) => Ok(kind),
                None => wrong(format!(
                    "`{word}` is no EtherType: write its number, or ip, ip6, arp"
                )),
            };
        }
        let carried = match value {
            Some(value) => u8::try_from(value).ok(),
            None => protocol::carried(word),
        };
        let Some(carried) = carried else {
            return wrong(format!(
                "`{word}` is no protocol of IP: write its number (0 to 255), or tcp, udp, icmp"
            ));
        };
        match self.last.protocol {
            None => Ok(protocol::carries(carried)),
            Some(Protocol::Ip) => Ok(protocol::ip_carries(carried)),
            Some(Protocol::Ip6) => Ok(protocol::ip6_carries(carried)),
            Some(_) => wrong("`proto` goes with ether, ip, ip6 or nothing before it"),
        }
    }

    fn address(&mut self, word: &str) -> Result<Kind, WrongFilter> {
        let Qualifiers {
            protocol,
            side,
            what,
        } = self.last;
        if let Some(mac) = mac(word)
            && matches!(protocol, None | Some(Protocol::Ether))
        {
            return Ok(protocol::hardware(side, mac));
        }
        let nets = self.nets(word, what)?;
        // `tcp host` says nothing that `tcp and host` does not say better, as in libpcap.
        if let Some(Protocol::Carried(_) | Protocol::Ether) = protocol {
            return wrong(format!(
                "`{word}` is an address of ip, ip6 or arp, or of no protocol named before it"
            ));
        }
        let found: Vec<Kind> = nets
            .iter()
            .filter_map(|net| protocol::network(protocol, side, *net))
            .collect();
        match found.into_iter().reduce(Kind::or) {
            Some(kind) => Ok(kind),
            None => wrong(format!(
                "`{word}` is of another version of IP than what stands before it"
            )),
        }
    }

    /// The networks that a word stands for; an address is one of its own.
    fn nets(&mut self, word: &str, what: What) -> Result<Vec<IpNet>, WrongFilter> {
        if let Ok(address) = word.parse::<IpAddr>() {
            if what != What::Host && self.take_sign("/") {
                let length = self.word().and_then(|word| word.parse().ok());
                let net = length.and_then(|length| IpNet::new(address, length).ok());
                let Some(net) = net else {
                    return wrong(format!(
                        "behind `{word}/` stands how many bits count: `{word}/24`"
                    ));
                };
                self.at += 1;
                if net.network() != address {
                    return wrong(format!(
                        "`{net}` has bits set behind the prefix; write {}",
                        net.trunc()
                    ));
                }
                return Ok(vec![net]);
            }
            if what == What::Net && self.take_word("mask") {
                let mask = self.word().and_then(|word| word.parse::<IpAddr>().ok());
                let net = mask.and_then(|mask| IpNet::with_netmask(address, mask).ok());
                let Some(net) = net.filter(|net| net.network() == address) else {
                    return wrong("behind `mask` stands a mask that covers the network");
                };
                self.at += 1;
                return Ok(vec![net]);
            }
            return Ok(vec![address.into()]);
        }
        if what == What::Net
            && let Some(net) = short_net(word)
        {
            return Ok(vec![net]);
        }
        let known = match what {
            What::Net => self.names.prefixes(word),
            _ => self.names.addresses(word).map(|addresses| {
                addresses
                    .iter()
                    .map(|address| IpNet::from(*address))
                    .collect()
            }),
        };
        known.ok_or_else(|| self.unknown(word, what))
    }

    fn unknown(&self, word: &str, what: What) -> WrongFilter {
        let names: &'a Names = self.names;
        let keywords: [&'a str; 18] = [
            "host",
            "net",
            "port",
            "portrange",
            "proto",
            "src",
            "dst",
            "less",
            "greater",
            "len",
            "broadcast",
            "multicast",
            "vlan",
            "inbound",
            "outbound",
            "and",
            "or",
            "not",
        ];
        let candidates: Vec<&'a str> = match what {
            What::Net => names.segments().collect(),
            What::Host => names.all().collect(),
            _ => {
                let mut all: Vec<&'a str> = names.all().collect();
                for name in Protocol::names() {
                    all.push(name);
                }
                all.extend(keywords);
                all
            }
        };
        let message = match what {
            What::Net => format!("`{word}` is no network and no segment of this lab"),
            What::Host => format!("`{word}` is no address and no name in this lab"),
            _ => format!("`{word}` is no word of a filter and no name in this lab"),
        };
        WrongFilter {
            message,
            help: nearest(word, candidates).map(|near| format!("did you mean `{near}`?")),
        }
    }
}

/// `10` for 10.0.0.0/8, `192.168.1` for 192.168.1.0/24.
fn short_net(word: &str) -> Option<IpNet> {
    let parts: Vec<u8> = word
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let mut octets = [0; 4];
    octets.get_mut(..parts.len())?.copy_from_slice(&parts);
    let net = Ipv4Net::new(octets.into(), 8 * parts.len() as u8).ok()?;
    Some(net.into())
}

fn mac(word: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = word
        .split([':', '-'])
        .map(|byte| match byte.len() {
            1 | 2 => u8::from_str_radix(byte, 16).ok(),
            _ => None,
        })
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}
