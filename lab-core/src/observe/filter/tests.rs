//! What a filter keeps is what tcpdump keeps.

use std::process::Command;

use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder, PacketBuilderStep};

use super::{Condition, parse, program};
use crate::kernel::packet::Instruction;
use crate::observe::names::Names;

/// A packet as a program sees it.
struct Seen<'a> {
    bytes: &'a [u8],
    length: u32,
    interface: u32,
    outgoing: bool,
}

/// Runs a program as the kernel does; true where the packet is kept.
fn keeps(program: &[Instruction], seen: &Seen<'_>) -> bool {
    run(program, seen).is_some_and(|kept| kept > 0)
}

/// None where it reads behind the packet's end.
fn run(program: &[Instruction], seen: &Seen<'_>) -> Option<u32> {
    let (mut a, mut x, mut memory, mut at) = (0u32, 0u32, [0u32; 16], 0usize);
    let load = |place: u64, size: u16| -> Option<u32> {
        match place {
            0xffff_f004 => return Some(if seen.outgoing { 4 } else { 3 }),
            0xffff_f008 => return Some(seen.interface),
            0xffff_f02c | 0xffff_f030 => return Some(0),
            _ => {}
        }
        let start = usize::try_from(place).ok()?;
        let length = [4, 2, 1][usize::from(size >> 3)];
        let bytes = seen.bytes.get(start..start + length)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
        )
    };
    loop {
        let Instruction {
            code,
            yes,
            no,
            value,
        } = program[at];
        at += 1;
        let operand = if code & 8 != 0 { x } else { value };
        match code & 7 {
            0 | 1 => {
                let size = code & 0x18;
                let loaded = match code & 0xe0 {
                    0x00 => value,
                    0x20 => load(value.into(), size)?,
                    0x40 => load(u64::from(x) + u64::from(value), size)?,
                    0x60 => memory[value as usize],
                    0x80 => seen.length,
                    _ => (load(value.into(), size)? & 15) * 4,
                };
                *(if code & 7 == 0 { &mut a } else { &mut x }) = loaded;
            }
            2 => memory[value as usize] = a,
            3 => memory[value as usize] = x,
            4 => {
                a = match code & 0xf0 {
                    0x00 => a.wrapping_add(operand),
                    0x10 => a.wrapping_sub(operand),
                    0x20 => a.wrapping_mul(operand),
                    0x30 => a.checked_div(operand)?,
                    0x40 => a | operand,
                    0x50 => a & operand,
                    0x60 => a.wrapping_shl(operand),
                    0x70 => a.wrapping_shr(operand),
                    0x80 => a.wrapping_neg(),
                    0x90 => a.checked_rem(operand)?,
                    _ => a ^ operand,
                }
            }
            5 => {
                let holds = match code & 0xf0 {
                    0x00 => {
                        at += value as usize;
                        continue;
                    }
                    0x10 => a == operand,
                    0x20 => a > operand,
                    0x30 => a >= operand,
                    _ => a & operand != 0,
                };
                at += usize::from(if holds { yes } else { no });
            }
            6 => return Some(if code & 0x18 == 0x10 { a } else { value }),
            _ if code & 0xf8 == 0 => x = a,
            _ => a = x,
        }
    }
}

const FROM: [u8; 6] = [2, 0, 0, 0, 0, 1];
const TO: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    type Step = PacketBuilderStep<etherparse::IpHeaders>;
    let four = |from: [u8; 4], to: [u8; 4]| -> Step {
        PacketBuilder::ethernet2(FROM, TO).ipv4(from, to, 64)
    };
    let six = |last: u8| -> Step {
        let mut to = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let from = to;
        to[15] = last;
        to[0] = to[0].max(last);
        PacketBuilder::ethernet2(FROM, TO).ipv6(from, to, 9)
    };
    let (a, b, c) = ([10, 0, 0, 1], [10, 0, 0, 2], [192, 168, 1, 7]);
    let mut write = |length: usize, build: &dyn Fn(&mut Vec<u8>, &[u8])| {
        let mut frame = Vec::new();
        build(&mut frame, &vec![0x2a; length]);
        frames.push(frame);
    };
    for (from, to) in [(a, b), (b, a), (a, c), (c, [224, 0, 0, 5])] {
        for (source, target) in [(4000, 80), (443, 4000), (53, 53), (6001, 6010)] {
            write(10, &|out, data| {
                let built = four(from, to).udp(source, target);
                built.write(out, data).expect("a packet");
            });
            write(300, &|out, data| {
                let built = four(from, to).tcp(source, target, 1, 100);
                built.write(out, data).expect("a packet");
            });
        }
        write(0, &|out, data| {
            let built = four(from, to).tcp(4000, 80, 1, 100).syn();
            built.write(out, data).expect("a packet");
        });
        write(0, &|out, data| {
            let built = four(from, to).tcp(80, 4000, 1, 100).syn().ack(2);
            built.write(out, data).expect("a packet");
        });
        write(0, &|out, data| {
            let built = four(from, to).tcp(80, 4000, 1, 100).rst().ack(2);
            built.write(out, data).expect("a packet");
        });
        for kind in [8, 0, 3, 11] {
            write(28, &|out, data| {
                let echo = Icmpv4Type::Unknown {
                    type_u8: kind,
                    code_u8: 1,
                    bytes5to8: [0, 1, 0, 2],
                };
                four(from, to)
                    .icmpv4(echo)
                    .write(out, data)
                    .expect("a packet");
            });
        }
    }
    for last in [1, 2, 0x77, 0xff] {
        write(10, &|out, data| {
            six(last).udp(4000, 53).write(out, data).expect("a packet");
        });
        write(10, &|out, data| {
            let built = six(last).tcp(4000, 443, 1, 100).syn();
            built.write(out, data).expect("a packet");
        });
        for kind in [128, 135] {
            write(10, &|out, data| {
                let message = Icmpv6Type::Unknown {
                    type_u8: kind,
                    code_u8: 0,
                    bytes5to8: [0; 4],
                };
                six(last)
                    .icmpv6(message)
                    .write(out, data)
                    .expect("a packet");
            });
        }
    }
    // A later piece of a datagram, options before the ports, ARP, broadcast, what is cut off.
    let mut piece = frames[0].clone();
    piece[21] = 7;
    let mut options = frames[1].clone();
    options[14] = 0x46;
    options.splice(34..34, [1, 1, 1, 0]);
    let mut arp = vec![0xff; 6];
    arp.extend(FROM);
    arp.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.extend(FROM);
    arp.extend(a);
    arp.extend([0; 6]);
    arp.extend(c);
    let mut multicast = frames[0].clone();
    multicast[0] = 1;
    let cut: Vec<Vec<u8>> = [13, 20, 30, 36, 40]
        .map(|length| frames[1][..length].to_vec())
        .into();
    let mut others = frames[1].clone();
    (others[5], others[8], others[11]) = (8, 8, 9);
    frames.extend([piece, options, arp, multicast, others]);
    frames.extend(cut);
    frames
}

fn names() -> Names {
    Names::default()
}

fn compile(filter: &str) -> Vec<Instruction> {
    let condition = parse(filter, &names()).unwrap_or_else(|error| panic!("{filter}: {error}"));
    program(&condition, 65_535).unwrap_or_else(|error| panic!("{filter}: {error}"))
}

/// What tcpdump makes of it.
fn by_tcpdump(filter: &str) -> Vec<Instruction> {
    let output = Command::new("tcpdump")
        .args(["-y", "EN10MB", "-ddd", filter])
        .output()
        .expect("tcpdump");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{filter}: {said}");
    let mut lines = text.lines();
    let count: usize = lines
        .next()
        .and_then(|line| line.parse().ok())
        .expect("a number");
    let program: Vec<Instruction> = lines
        .map(|line| {
            let numbers: Vec<u32> = line
                .split(' ')
                .map(|n| n.parse().expect("a number"))
                .collect();
            Instruction {
                code: numbers[0] as u16,
                yes: numbers[1] as u8,
                no: numbers[2] as u8,
                value: numbers[3],
            }
        })
        .collect();
    assert_eq!(program.len(), count);
    program
}

const FILTERS: &[&str] = &[
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "arp",
    "ip",
    "ip6",
    "not tcp",
    "! ip && ! arp",
    "host 10.0.0.1",
    "src host 10.0.0.1",
    "dst 10.0.0.1",
    "src or dst host 192.168.1.7",
    "src and dst net 10",
    "src 10.0.0.1 and dst 10.0.0.2",
    "host 10.0.0.1 or 192.168.1.7",
    "host (10.0.0.1 or 10.0.0.2)",
    "net 10.0.0.0/8",
    "src net 10.0.0.0 mask 255.255.255.0",
    "net 192.168.1",
    "net 0.0.0.0/0",
    "host fd00::1",
    "dst host fd00::77",
    "net fd00::/120",
    "ip6 net fd00::/9",
    "arp host 192.168.1.7",
    "ip host 10.0.0.2",
    "ether host 02:00:00:00:00:01",
    "ether dst 2:0:0:0:0:2",
    "ether src 02:00:08:00:00:09",
    "port 80",
    "tcp port 80",
    "udp port domain",
    "src port 4000",
    "tcp src port 443 or 80",
    "port 80 or 443 or 53",
    "port (80 or 443)",
    "tcp dst port 80 and host 10.0.0.1",
    "not port 53",
    "portrange 6000-6010",
    "udp src portrange 50-60",
    "tcp portrange 4000-4001 or icmp",
    "src and dst port 53",
    "proto 17",
    "ip proto \\tcp",
    "ip6 proto 58",
    "ether proto 0x0806",
    "ether proto \\ip6",
    "broadcast",
    "ether multicast",
    "ip multicast",
    "ip6 multicast",
    "less 60",
    "greater 100",
    "greater 0",
    "len > 100",
    "len >= 54 and len <= 72",
    "tcp[tcpflags] & tcp-syn != 0",
    "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
    "tcp[13] = 18",
    "tcp[tcpflags] & (tcp-rst|tcp-fin) != 0 or icmp",
    "icmp[icmptype] == icmp-echo",
    "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
    "icmp6[icmp6type] == icmp6-echo",
    "ip[8] < 65",
    "ip[2:2] > 100",
    "ip[0] & 0xf != 5",
    "(ip[0] & 0xf) != 5",
    "ether[0] & 1 = 1",
    "ether[6:4] = 0x02000000",
    "udp[4:2] - 8 == 10",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "ip[(ip[0] & 0xf) + 4] = 17",
    "tcp[2 + 1] * 2 + 1 > len / 4",
    "ip[9] ^ 6 = 0",
    "ip[9] % 4 = 1",
    "0 > -ip[8]",
    "arp[6:2] = 1",
    "ip6[6] = 17",
    "udp or tcp and port 53",
    "(udp or tcp) and not (port 53 or port 80)",
    "not (host 10.0.0.1 and port 80)",
    "not host 10.0.0.1 and port 80",
    "igmp or sctp or esp or ah or pim or vrrp or igrp or rarp",
];

#[test]
fn a_filter_keeps_what_tcpdump_keeps() {
    let frames = frames();
    for filter in FILTERS {
        let (ours, theirs) = (compile(filter), by_tcpdump(filter));
        let mut kept = 0;
        for (number, bytes) in frames.iter().enumerate() {
            let seen = Seen {
                bytes,
                length: bytes.len() as u32,
                interface: 1,
                outgoing: false,
            };
            let (our, their) = (keeps(&ours, &seen), keeps(&theirs, &seen));
            assert_eq!(our, their, "`{filter}`, frame {number}: {bytes:02x?}");
            kept += usize::from(our);
        }
        // A filter that keeps all or nothing proves little.
        let proves = ["greater 0", "igmp", "0 > -ip"]
            .iter()
            .any(|no| filter.starts_with(no));
        assert!(
            proves || (kept > 0 && kept < frames.len()),
            "`{filter}` keeps {kept}"
        );
    }
}

#[test]
fn what_is_wrong_is_told_at_once() {
    for (filter, said) in [
        ("tcp prot 80", "`prot` is no word of a filter"),
        ("port", "it ends where an address"),
        ("port 70000", "the highest is 65535"),
        ("port smpt", "`smpt` is no port"),
        ("host web1", "`web1` is no address and no name in this lab"),
        ("net 10.0.0.1/8", "write 10.0.0.0/8"),
        ("net 10.0.0.0/33", "how many bits"),
        ("tcp and", "it ends where a condition is missing"),
        ("(tcp", "a `)` is missing at the end"),
        ("tcp)", "`)` does not continue"),
        ("tcp udp", "`udp` is no word"),
        ("tcp; rm", "`;` means nothing"),
        ("ip[0:3] = 1", "1, 2 or 4 bytes"),
        ("ip[0 = 1", "a `]` is missing"),
        ("ip[70000] = 1", "no packet has so many bytes"),
        ("len / 0 = 1", "divides by zero"),
        ("len >", "a number is missing"),
        ("ip6 host 10.0.0.1", "another version of IP"),
        ("tcp host 10.0.0.1", "an address of ip, ip6 or arp"),
        ("icmp port 80", "goes with tcp, udp"),
        ("proto 300", "no protocol of IP"),
        ("ip broadcast", "can't be told of that protocol"),
    ] {
        match parse(filter, &names()) {
            Ok(_) => panic!("`{filter}` is understood"),
            Err(error) => assert!(error.message.contains(said), "`{filter}`: {error}"),
        }
    }
    let near = parse("tcp prot 80", &names()).expect_err("no word").help;
    assert_eq!(near.as_deref(), Some("did you mean `port`?"));
    let deep = format!("{}tcp{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(parse(&deep, &names()).is_err());
    assert!(parse(&"!".repeat(3000), &names()).is_err());
}

#[test]
fn links_stand_before_the_filter() {
    let link = |index| Condition::interface(index);
    let condition = link(7)
        .and(Condition::received())
        .or(link(9))
        .or(Condition::interface_from(12))
        .and(parse("udp", &names()).expect("a filter"));
    let program = program(&condition, 100).expect("short");
    let frames = frames();
    let mut seen = Seen {
        bytes: &frames[0],
        length: 60,
        interface: 0,
        outgoing: false,
    };
    for (interface, outgoing, kept) in [
        (7, false, true),
        (7, true, false),
        (8, false, false),
        (9, true, true),
        (11, false, false),
        (12, false, true),
        (4_000_000, true, true),
    ] {
        (seen.interface, seen.outgoing) = (interface, outgoing);
        assert_eq!(keeps(&program, &seen), kept, "{interface} {outgoing}");
    }
}

#[test]
fn long_filters_leap_far_and_too_long_ones_are_refused() {
    let hosts: Vec<String> = (0..100).map(|last| format!("10.0.1.{last}")).collect();
    let filter = format!("udp and (host {} or 10.0.0.1)", hosts.join(" or "));
    let program = compile(&filter);
    assert!(program.len() > 600);
    for (bytes, kept) in [(&frames()[0], true), (&frames()[24], false)] {
        let seen = Seen {
            bytes,
            length: 60,
            interface: 1,
            outgoing: false,
        };
        assert_eq!(keeps(&program, &seen), kept);
    }
    let hosts = vec!["10.0.1.1"; 700].join(" or ");
    let condition = parse(&hosts, &names()).expect("understood");
    assert!(super::program(&condition, 1).is_err());
}
