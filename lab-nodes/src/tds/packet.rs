//! Packets and the messages that they carry ([MS-TDS] §2.2.3).

use super::Malformed;

/// Bytes of a packet's header.
pub const HEADER: usize = 8;
/// Size of a packet until another one is agreed on, in bytes.
pub const DEFAULT_SIZE: usize = 4096;
/// The sizes that may be agreed on.
pub const SIZES: std::ops::RangeInclusive<usize> = 512..=32767;

/// The last packet of a message.
const END: u8 = 0x01;
/// The client takes the message back.
const IGNORE: u8 = 0x02;
/// The connection shall be as new before the message is looked at, but for a transaction in the
/// second case.
const RESET: u8 = 0x08 | 0x10;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SQL text.
    Batch,
    /// A call.
    Rpc,
    /// The server's answer.
    Response,
    /// Stop what is going on.
    Attention,
    /// Rows of a bulk load.
    BulkLoad,
    /// Begin, commit, roll back.
    TransactionManager,
    /// LOGIN7.
    Login,
    /// A security token.
    Sspi,
    /// PRELOGIN, or a TLS handshake.
    Prelogin,
}

impl Kind {
    /// From the first byte of a header.
    pub fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Batch,
            0x03 => Self::Rpc,
            0x04 => Self::Response,
            0x06 => Self::Attention,
            0x07 => Self::BulkLoad,
            0x0E => Self::TransactionManager,
            0x10 => Self::Login,
            0x11 => Self::Sspi,
            0x12 => Self::Prelogin,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            Self::Batch => 0x01,
            Self::Rpc => 0x03,
            Self::Response => 0x04,
            Self::Attention => 0x06,
            Self::BulkLoad => 0x07,
            Self::TransactionManager => 0x0E,
            Self::Login => 0x10,
            Self::Sspi => 0x11,
            Self::Prelogin => 0x12,
        }
    }
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// The connection shall be as new first.
    pub reset: bool,
    /// The client took it back while it sent it.
    pub ignored: bool,
    /// What it carries.
    pub body: Vec<u8>,
}

/// Puts messages together from what arrives.
#[derive(Debug, Default)]
pub struct Assembler {
    bytes: Vec<u8>,
    message: Option<Message>,
}

impl Assembler {
    /// What arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Nothing of a message has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.message.is_none()
    }

    /// The next whole message of at most `longest` bytes, if it has arrived.
    ///
    /// # Errors
    /// A header of no packet, packets of two kinds in one message, a message that is too long.
    pub fn next(&mut self, longest: usize) -> Result<Option<Message>, Malformed> {
        let mut at = 0;
        let mut whole = None;
        while whole.is_none()
            && let Some(header) = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<HEADER>)
        {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let kind = Kind::of(header[0]).ok_or(Malformed("a packet of no known kind"))?;
            if length < HEADER {
                return Err(Malformed("a packet shorter than its header"));
            }
            let Some(body) = self.bytes.get(at + HEADER..at + length) else {
                break;
            };
            let message = self.message.get_or_insert_with(|| Message {
                kind,
                reset: header[1] & RESET != 0,
                ignored: false,
                body: Vec::new(),
            });
            if message.kind != kind {
                return Err(Malformed("packets of two kinds in one message"));
            }
            if message.body.len() + body.len() > longest {
                return Err(Malformed("a message that is too long"));
            }
            message.body.extend_from_slice(body);
            at += length;
            if header[1] & END != 0 {
                message.ignored = header[1] & IGNORE != 0;
                whole = self.message.take();
            }
        }
        self.bytes.drain(..at);
        Ok(whole)
    }
}

/// Takes a message apart into packets while it is being made.
#[derive(Debug)]
pub struct Outgoing {
    kind: Kind,
    /// Bytes of a packet with its header.
    size: usize,
    number: u8,
    waiting: Vec<u8>,
}

impl Outgoing {
    /// A message that travels in packets of this size.
    pub fn new(kind: Kind, size: usize) -> Self {
        Self {
            kind,
            size: size.clamp(*SIZES.start(), *SIZES.end()),
            number: 0,
            waiting: Vec::new(),
        }
    }

    /// Goes on with the message; gives the packets that are full.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(bytes);
        let room = self.size - HEADER;
        let mut packets = Vec::new();
        // The last one waits: it may be the one that ends the message.
        let mut at = 0;
        while self.waiting.len() - at > room {
            self.number = self.number.wrapping_add(1);
            put(
                &mut packets,
                self.kind,
                0,
                self.number,
                &self.waiting[at..at + room],
            );
            at += room;
        }
        self.waiting.drain(..at);
        packets
    }

    /// Ends the message; gives its last packet.
    pub fn finish(mut self) -> Vec<u8> {
        let mut packet = Vec::new();
        self.number = self.number.wrapping_add(1);
        put(&mut packet, self.kind, END, self.number, &self.waiting);
        packet
    }
}

fn put(packets: &mut Vec<u8>, kind: Kind, status: u8, number: u8, body: &[u8]) {
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    packets.extend([kind.byte(), status]);
    packets.extend(length.to_be_bytes());
    packets.extend([0, 0, number, 0]);
    packets.extend(body);
}

/// A whole message in packets of this size.
pub fn packets(kind: Kind, size: usize, body: &[u8]) -> Vec<u8> {
    let mut outgoing = Outgoing::new(kind, size);
    let mut packets = outgoing.push(body);
    packets.extend(outgoing.finish());
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_together_from_any_pieces() {
        let body: Vec<u8> = (0..2000_u32).map(|n| n as u8).collect();
        let packets = packets(Kind::Batch, 512, &body);
        for piece in [1, 7, 8, 511, 512, 4096] {
            let mut assembler = Assembler::default();
            let mut found = Vec::new();
            for bytes in packets.chunks(piece) {
                assembler.feed(bytes);
                found.extend(assembler.next(4096).expect("it is well formed"));
            }
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].kind, &found[0].body), (Kind::Batch, &body));
            assert!(assembler.is_empty());
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let refused = |bytes: &[u8]| {
            let mut assembler = Assembler::default();
            assembler.feed(bytes);
            assembler.next(100).expect_err("it is refused").0
        };
        assert_eq!(refused(b"GET / HTTP/1.1\r\n"), "a packet of no known kind");
        assert_eq!(
            refused(&[1, 1, 0, 7, 0, 0, 0, 0]),
            "a packet shorter than its header"
        );
        let long = packets(Kind::Batch, 512, &[0; 200]);
        assert_eq!(refused(&long), "a message that is too long");
        let two = [1, 0, 0, 8, 0, 0, 0, 0, 3, 1, 0, 8, 0, 0, 0, 0];
        assert_eq!(refused(&two), "packets of two kinds in one message");
    }

    #[test]
    fn a_message_that_fills_its_packets_ends_with_one() {
        let packets = packets(Kind::Response, 512, &[7; 504]);
        assert_eq!((packets.len(), packets[1]), (512, END));
    }
}
