//! SPNEGO (RFC 4178, [MS-SPNG]): the negotiation of Kerberos or NTLM that HTTP and LDAP carry.
//! Wire only: total, bounded, no I/O.

mod message;

pub use message::{Malformed, Mechanism, NegTokenInit, NegTokenResponse, State, Token};
