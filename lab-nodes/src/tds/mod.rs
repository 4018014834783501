//! The Tabular Data Stream protocol of SQL Server, TDS 7.1 to 7.4 ([MS-TDS]): bytes to types and
//! back, without any socket but for the TLS handshake that travels in its packets.
//!
//! - [`packet`]: headers, messages put together and taken apart;
//! - [`prelogin`], [`login`], [`rpc`], [`transaction`]: what a client sends;
//! - [`token`]: what a server answers;
//! - [`types`], [`value`], [`calendar`]: types of columns and parameters, and their values;
//! - [`handshake`]: TLS whose handshake is wrapped in packets;
//! - `read`: a cursor that never reads past the end.

pub mod calendar;
pub mod handshake;
pub mod login;
pub mod packet;
pub mod prelogin;
mod read;
pub mod rpc;
pub mod token;
pub mod transaction;
pub mod types;
pub mod value;

pub use read::Malformed;

/// A version of the protocol, as LOGIN7 and LOGINACK number it ([MS-TDS] §2.2.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// SQL Server 2000 SP1.
    pub const V7_1: Self = Self(0x7100_0001);
    /// SQL Server 2005.
    pub const V7_2: Self = Self(0x7209_0002);
    /// SQL Server 2008.
    pub const V7_3A: Self = Self(0x730A_0003);
    /// SQL Server 2008 R2: rows with a bitmap of what is null.
    pub const V7_3B: Self = Self(0x730B_0003);
    /// SQL Server 2012 and later.
    pub const V7_4: Self = Self(0x7400_0004);

    /// The version to speak with a client that asks for this one; none for one older than 7.1.
    pub fn negotiate(asked: u32) -> Option<Self> {
        let known = [Self::V7_4, Self::V7_3B, Self::V7_3A, Self::V7_2];
        let known = known.into_iter().find(|version| asked >= version.0);
        known.or_else(|| (asked >= 0x7100_0000).then_some(Self::V7_1))
    }
}
