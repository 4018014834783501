//! Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, times in nanoseconds.
//!
//! Each function appends one block to a buffer, so that a file ends with a whole block wherever
//! writing it stops between two of them.

use std::net::IpAddr;

use super::summary::{Direction, Mac};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const SECRETS: u32 = 10;
/// What an SSLKEYLOGFILE holds.
const TLS_KEY_LOG: u32 = 0x544c_534b;
const ETHERNET: u16 = 1;

// Options, by block.
const COMMENT: u16 = 1;
const SECTION_OS: u16 = 3;
const SECTION_PROGRAM: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIPTION: u16 = 3;
const INTERFACE_MAC: u16 = 6;
const INTERFACE_RESOLUTION: u16 = 9;
const INTERFACE_FILTER: u16 = 11;
const PACKET_FLAGS: u16 = 2;
const STATISTICS_START: u16 = 2;
const STATISTICS_END: u16 = 3;
const STATISTICS_RECEIVED: u16 = 4;
const STATISTICS_DROPPED: u16 = 5;

/// Begins a file. `program` wrote it, `comment` is about all of it.
pub fn section(out: &mut Vec<u8>, program: &str, comment: &str) {
    block(out, SECTION, |out| {
        word(out, 0x1a2b_3c4d);
        half(out, 1);
        half(out, 0);
        // The length of the section is not known.
        long(out, u64::MAX);
        option(out, COMMENT, comment.as_bytes());
        option(out, SECTION_OS, b"Linux");
        option(out, SECTION_PROGRAM, program.as_bytes());
        end_of_options(out);
    });
}

/// An interface; they are numbered from 0 in the order in which they come.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// Name.
    pub name: &'a str,
    /// What it is.
    pub description: &'a str,
    /// Hardware address.
    pub mac: Option<Mac>,
    /// Most bytes taken of a packet.
    pub snaplen: u32,
    /// The filter in force, as it was written.
    pub filter: Option<&'a str>,
}

/// Announces an interface.
pub fn interface(out: &mut Vec<u8>, interface: &Interface<'_>) {
    block(out, INTERFACE, |out| {
        half(out, ETHERNET);
        half(out, 0);
        word(out, interface.snaplen);
        option(out, INTERFACE_NAME, interface.name.as_bytes());
        option(out, INTERFACE_DESCRIPTION, interface.description.as_bytes());
        if let Some(Mac(mac)) = interface.mac {
            option(out, INTERFACE_MAC, &mac);
        }
        option(out, INTERFACE_RESOLUTION, &[9]);
        if let Some(filter) = interface.filter {
            // 0: a string of libpcap.
            let mut value = vec![0];
            value.extend(filter.as_bytes());
            option(out, INTERFACE_FILTER, &value);
        }
        end_of_options(out);
    });
}

/// A packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number of its interface.
    pub interface: u32,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// What was taken of it.
    pub bytes: &'a [u8],
    /// Its whole length.
    pub length: u32,
    /// Which way it passed.
    pub direction: Direction,
    /// What is known about it.
    pub comment: Option<&'a str>,
}

/// Writes a packet.
pub fn packet(out: &mut Vec<u8>, packet: &Packet<'_>) {
    block(out, PACKET, |out| {
        word(out, packet.interface);
        time(out, packet.time);
        word(out, packet.bytes.len() as u32);
        word(out, packet.length);
        padded(out, packet.bytes);
        if let Some(comment) = packet.comment {
            option(out, COMMENT, comment.as_bytes());
        }
        let flags: u32 = match packet.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        option(out, PACKET_FLAGS, &flags.to_le_bytes());
        end_of_options(out);
    });
}

/// Names of addresses: each with one name at least.
pub fn names<'a>(out: &mut Vec<u8>, names: impl IntoIterator<Item = (IpAddr, Vec<&'a str>)>) {
    block(out, NAMES, |out| {
        for (address, names) in names {
            let mut value = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            for name in names {
                value.extend(name.bytes().filter(|byte| *byte != 0));
                value.push(0);
            }
            // A record is built as an option is: 1 for IPv4, 2 for IPv6.
            option(out, if address.is_ipv4() { 1 } else { 2 }, &value);
        }
        end_of_options(out);
    });
}

/// Keys of TLS sessions: lines of an SSLKEYLOGFILE. They count for the packets behind them.
pub fn secrets(out: &mut Vec<u8>, lines: &[u8]) {
    block(out, SECRETS, |out| {
        word(out, TLS_KEY_LOG);
        word(out, lines.len() as u32);
        padded(out, lines);
    });
}

/// What was counted on an interface.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Number of the interface.
    pub interface: u32,
    /// When the capture began, in nanoseconds since the Unix epoch.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Packets received, the lost ones included.
    pub received: u64,
    /// Packets lost for want of room.
    pub dropped: u64,
}

/// Writes what was counted.
pub fn statistics(out: &mut Vec<u8>, counted: &Counted) {
    block(out, STATISTICS, |out| {
        word(out, counted.interface);
        time(out, counted.end);
        for (code, moment) in [
            (STATISTICS_START, counted.start),
            (STATISTICS_END, counted.end),
        ] {
            let mut value = Vec::with_capacity(8);
            time(&mut value, moment);
            option(out, code, &value);
        }
        option(out, STATISTICS_RECEIVED, &counted.received.to_le_bytes());
        option(out, STATISTICS_DROPPED, &counted.dropped.to_le_bytes());
        end_of_options(out);
    });
}

/// How many of the first `written` bytes of a buffer are whole blocks.
pub fn whole_blocks(buffer: &[u8], written: usize) -> usize {
    let mut end = 0;
    while let Some(length) = buffer.get(end + 4..).and_then(<[u8]>::first_chunk) {
        let next = end + u32::from_le_bytes(*length) as usize;
        if next > written || next == end {
            break;
        }
        end = next;
    }
    end
}

/// Type and length before, the length once more behind.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    word(out, kind);
    word(out, 0);
    body(out);
    let length = (out.len() - start + 4) as u32;
    word(out, length);
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    // What is longer than a length can tell is cut, and where a character ends.
    let mut length = value.len().min(usize::from(u16::MAX));
    while length < value.len() && value[length] & 0xc0 == 0x80 {
        length -= 1;
    }
    half(out, code);
    half(out, length as u16);
    padded(out, &value[..length]);
}

fn end_of_options(out: &mut Vec<u8>) {
    word(out, 0);
}

/// To a multiple of four bytes.
fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// The upper half first.
fn time(out: &mut Vec<u8>, nanoseconds: u64) {
    word(out, (nanoseconds >> 32) as u32);
    word(out, nanoseconds as u32);
}

fn half(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn word(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn long(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types of the blocks, whose lengths must agree.
    fn blocks(mut bytes: &[u8]) -> Vec<u32> {
        let word = |bytes: &[u8], at: usize| {
            u32::from_le_bytes(*bytes[at..].first_chunk().expect("a word"))
        };
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = word(bytes, 4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(bytes, length - 4) as usize, length);
            found.push(word(bytes, 0));
            bytes = &bytes[length..];
        }
        found
    }

    #[test]
    fn blocks_are_whole_whatever_the_length_of_what_is_in_them() {
        for length in 0..9 {
            let mut out = Vec::new();
            let text = "x".repeat(length);
            section(&mut out, &text, &text);
            let about = Interface {
                name: &text,
                description: &text,
                mac: Some(Mac([2; 6])),
                snaplen: 0,
                filter: Some(&text),
            };
            interface(&mut out, &about);
            names(&mut out, [([10, 0, 0, 1].into(), vec![text.as_str()])]);
            secrets(&mut out, text.as_bytes());
            let seen = Packet {
                interface: 0,
                time: 1,
                bytes: text.as_bytes(),
                length: 9,
                direction: Direction::In,
                comment: Some(&text),
            };
            packet(&mut out, &seen);
            let counted = Counted {
                interface: 0,
                start: 0,
                end: 1,
                received: 1,
                dropped: 0,
            };
            statistics(&mut out, &counted);
            assert_eq!(
                blocks(&out),
                [SECTION, INTERFACE, NAMES, SECRETS, PACKET, STATISTICS]
            );
        }
    }

    #[test]
    fn what_is_whole_is_known_wherever_writing_stops() {
        let mut out = Vec::new();
        section(&mut out, "lab", "");
        let first = out.len();
        secrets(&mut out, b"x");
        for written in 0..=out.len() {
            let whole = match written {
                all if all == out.len() => all,
                some if some >= first => first,
                _ => 0,
            };
            assert_eq!(whole_blocks(&out, written), whole);
        }
    }

    #[test]
    fn a_comment_too_long_is_cut_between_characters() {
        let mut out = Vec::new();
        section(&mut out, "lab", &"é".repeat(40_000));
        assert_eq!(blocks(&out), [SECTION]);
        let length = u16::from_le_bytes([out[26], out[27]]);
        assert_eq!(length, u16::MAX - 1);
    }
}
