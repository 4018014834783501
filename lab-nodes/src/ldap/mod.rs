//! LDAP as a domain controller of AD DS speaks it (RFC 4511, [MS-ADTS] §3.1.1.3).
//!
//! - `extension`: extended operations that others plug in;
//! - `sasl`: what a GSS-API mechanism does for a bind, implemented by Kerberos, NTLM and SPNEGO.

mod extension;
mod sasl;

pub use extension::{Asked, Caller, Code, Extended, Extension};
pub use sasl::{Acceptor, Established, Protection, Step};
