//! The messages of Kerberos (RFC 4120 §5, appendix A): bytes ↔ types. Total and without I/O; what
//! is read is bounded by what arrived.

mod ap;
mod error;
mod etype_info;
mod kdc;
mod parts;
mod ticket;

pub use ap::{ApOptions, ApRep, ApReq, Authenticator, EncApRepPart};
pub use error::{ErrorCode, KrbError};
pub use etype_info::EtypeInfo;
pub use kdc::{EncKdcRepPart, Exchange, KdcOptions, KdcRep, KdcReq, KdcReqBody};
pub use parts::{
    Checksum, EncryptedData, EncryptionKey, PaData, padata, read_padata, write_padata,
};
pub use ticket::{EncTicketPart, Ticket, TicketFlags};

/// The version of the protocol, in every message.
const VERSION: i64 = 5;
