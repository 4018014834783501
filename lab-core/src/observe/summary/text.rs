//! Headers as people read them.

use std::fmt;
use std::net::IpAddr;

use super::{Flow, Headers, Icmp, Ip, Mac, Network, TcpFlags, Transport};

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
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
