//! Tokens of the GSS-API mechanism of Kerberos that begin a login (RFC 4121 §4.1), total and without
//! I/O.

use super::binding::ChannelBinding;
use super::messages::Checksum;
use crate::der::{Malformed, Reader};

/// 1.2.840.113554.1.2.2, encoded (RFC 4121 §1).
pub const OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// Number of the checksum that carries flags and channel binding (RFC 4121 §4.1.1).
pub const CHECKSUM: i32 = 0x8003;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An AP-REQ.
    Request,
    /// An AP-REP.
    Reply,
    /// A KRB-ERROR.
    Error,
}

impl Kind {
    fn id(self) -> [u8; 2] {
        match self {
            Self::Request => [1, 0],
            Self::Reply => [2, 0],
            Self::Error => [3, 0],
        }
    }
}

/// What an initiator wishes of the context (RFC 4121 §4.1.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// The acceptor proves itself, too.
    pub const MUTUAL: u32 = 2;
    /// Replayed messages are found.
    pub const REPLAY: u32 = 4;
    /// Messages out of order are found.
    pub const SEQUENCE: u32 = 8;
    /// Messages may be sealed.
    pub const CONFIDENTIAL: u32 = 16;
    /// Messages may be signed.
    pub const INTEGRITY: u32 = 32;
    /// A third leg, as DCE RPC has it.
    pub const DCE_STYLE: u32 = 0x1000;

    /// Whether all these are there.
    pub fn has(self, flags: u32) -> bool {
        self.0 & flags == flags
    }
}

/// Frames a message as a token (RFC 2743 §3.1).
pub fn frame(kind: Kind, message: &[u8]) -> Vec<u8> {
    let inner = [&crate::der::oid(OID), &kind.id()[..], message].concat();
    crate::der::application(0, &inner)
}

/// The message in a token.
///
/// # Errors
/// It is no token of this mechanism.
pub fn unframe(token: &[u8]) -> Result<(Kind, &[u8]), Malformed> {
    let mut inner = Reader::new(token).application(0)?;
    if inner.oid()? != OID {
        return Err(Malformed("a token of another mechanism"));
    }
    let (id, message) = inner
        .rest()
        .split_at_checked(2)
        .ok_or(Malformed("it ends early"))?;
    let kinds = [Kind::Request, Kind::Reply, Kind::Error];
    let kind = kinds.into_iter().find(|kind| kind.id() == id);
    Ok((kind.ok_or(Malformed("a token of no known kind"))?, message))
}

/// The checksum of an authenticator that carries flags and channel binding.
pub fn write_checksum(flags: Flags, binding: Option<&ChannelBinding>) -> Checksum {
    let hash = binding.map_or([0; 16], ChannelBinding::hash);
    Checksum {
        kind: CHECKSUM,
        bytes: [&16_u32.to_le_bytes()[..], &hash, &flags.0.to_le_bytes()].concat(),
    }
}

/// Flags and hash of the channel binding in it; all zero is none.
///
/// # Errors
/// It is no such checksum.
pub fn read_checksum(checksum: &Checksum) -> Result<(Flags, [u8; 16]), Malformed> {
    const WRONG: Malformed = Malformed("no checksum of the GSS-API");
    let (length, rest) = checksum.bytes.split_first_chunk::<4>().ok_or(WRONG)?;
    let (hash, rest) = rest.split_first_chunk::<16>().ok_or(WRONG)?;
    let flags = rest.first_chunk::<4>().ok_or(WRONG)?;
    if checksum.kind != CHECKSUM || u32::from_le_bytes(*length) != 16 {
        return Err(WRONG);
    }
    Ok((Flags(u32::from_le_bytes(*flags)), *hash))
}
