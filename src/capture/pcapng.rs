//! Packets as a pcapng file.

use std::collections::HashMap;

use lab_core::observe::capture::Seen;
use lab_core::observe::complete_checksum;
use lab_core::observe::links::Link;
use lab_core::observe::names::Names;
use lab_core::observe::pcapng::{self, Counted, Interface, Packet};
use lab_core::observe::summary::Mac;
use lab_core::plan::Plan;

/// What is known about a packet that does not stand in it, such as the rules that decided about it.
pub type Comment = dyn Fn(&Seen<'_>) -> Option<String>;

/// Writes packets as pcapng.
pub struct Pcapng {
    plan: Plan,
    filter: Option<String>,
    snaplen: u32,
    comment: Option<Box<Comment>>,
    /// Links and how many packets were seen on each, by the number of the file's interface.
    interfaces: Vec<(Link, u64)>,
    /// That number, by the index of the fabric's interface.
    numbers: HashMap<u32, usize>,
}

impl Pcapng {
    /// For a lab with this plan. `comment` says more about packets, where there is more to say.
    pub fn new(
        plan: Plan,
        filter: Option<String>,
        snaplen: u32,
        comment: Option<Box<Comment>>,
    ) -> Self {
        Self {
            plan,
            filter,
            snaplen,
            comment,
            interfaces: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// Begins the file: what it is of, the links known, the names of addresses.
    pub fn begin(&mut self, out: &mut Vec<u8>, what: &str, links: &[Link]) {
        let program = concat!("Tierlab ", env!("CARGO_PKG_VERSION"));
        let comment = format!("{what} of the lab {}", self.plan.lab);
        pcapng::section(out, program, &comment);
        for link in links {
            self.interface(out, link);
        }
        self.names(out);
    }

    /// Goes on with a new plan.
    pub fn replan(&mut self, out: &mut Vec<u8>, plan: Plan) {
        self.plan = plan;
        self.names(out);
    }

    fn names(&self, out: &mut Vec<u8>) {
        let names = Names::of(&self.plan);
        // Wireshark shows the last name of an address.
        let last_best = names.by_address().map(|(address, names)| {
            let names: Vec<&str> = names.iter().rev().map(String::as_str).collect();
            (address, names)
        });
        pcapng::names(out, last_best);
    }

    /// The number of a link's interface, which is announced the first time.
    fn interface(&mut self, out: &mut Vec<u8>, link: &Link) -> usize {
        let known = self.interfaces.iter().position(|(known, _)| known == link);
        if let Some(number) = known {
            return number;
        }
        let plan = self.plan.nodes.get(&link.node);
        let leg = plan.and_then(|node| node.links.iter().find(|leg| leg.segment == link.segment));
        let prefixes = self.plan.segments.get(&link.segment).map(|segment| {
            let prefixes: Vec<String> = segment.prefixes.iter().map(ToString::to_string).collect();
            prefixes.join(", ")
        });
        let description = match prefixes {
            Some(prefixes) => format!("{} on the segment {} ({prefixes})", link.node, link.segment),
            None => format!("loopback of {}", link.node),
        };
        let interface = Interface {
            name: &link.to_string(),
            description: &description,
            mac: leg.and_then(|leg| Mac::read(&leg.mac)),
            snaplen: self.snaplen,
            filter: self.filter.as_deref(),
        };
        pcapng::interface(out, &interface);
        self.interfaces.push((link.clone(), 0));
        self.interfaces.len() - 1
    }

    /// Writes keys of TLS sessions, for the packets behind them.
    pub fn keys(out: &mut Vec<u8>, lines: &[u8]) {
        if !lines.is_empty() {
            pcapng::secrets(out, lines);
        }
    }

    /// Writes a packet as it would be on a wire: with its VLAN tag and its checksum.
    pub fn packet(&mut self, out: &mut Vec<u8>, seen: &Seen<'_>) {
        let interface = match self.numbers.get(&seen.packet.interface) {
            Some(number) => *number,
            None => {
                let number = self.interface(out, seen.link);
                self.numbers.insert(seen.packet.interface, number);
                number
            }
        };
        self.interfaces[interface].1 += 1;
        let comment = self.comment.as_ref().and_then(|comment| comment(seen));
        let packet = &seen.packet;
        let mut changed = Vec::new();
        let whole = packet.bytes.len() as u32 == packet.length;
        if packet.vlan.is_some() || (packet.checksum_pending && whole) {
            changed.extend_from_slice(packet.bytes);
        }
        if packet.checksum_pending && whole {
            complete_checksum(&mut changed);
        }
        let mut length = packet.length;
        if let Some((protocol, tag)) = packet.vlan
            && changed.len() >= 12
        {
            let tag = [protocol.to_be_bytes(), tag.to_be_bytes()].concat();
            changed.splice(12..12, tag);
            length += 4;
        }
        let packet = Packet {
            interface: interface as u32,
            time: packet.time,
            bytes: if changed.is_empty() {
                packet.bytes
            } else {
                &changed
            },
            length,
            direction: seen.direction,
            comment: comment.as_deref(),
        };
        pcapng::packet(out, &packet);
    }

    /// Ends the file with what was counted. The ring is one for all links, so what it lost can be
    /// told of a link only where there is one; else an interface of its own has the sum.
    pub fn end(&mut self, out: &mut Vec<u8>, start: u64, end: u64, dropped: u64) {
        let alone = self.interfaces.len() == 1;
        for (number, (_, packets)) in self.interfaces.iter().enumerate() {
            let dropped = if alone { dropped } else { 0 };
            let counted = Counted {
                interface: number as u32,
                start,
                end,
                received: packets + dropped,
                dropped,
            };
            pcapng::statistics(out, &counted);
        }
        if dropped > 0 && !alone {
            let interface = Interface {
                name: "ring",
                description: "the ring of all links: packets lost when it was full",
                mac: None,
                snaplen: self.snaplen,
                filter: None,
            };
            pcapng::interface(out, &interface);
            let counted = Counted {
                interface: self.interfaces.len() as u32,
                start,
                end,
                received: dropped,
                dropped,
            };
            pcapng::statistics(out, &counted);
        }
    }
}
