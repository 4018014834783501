//! Who a client is (RFC 4513, [MS-ADTS] §5.1.1).
//!
//! - `simple`: by a password;
//! - `tokens`: by a mechanism, whose tokens go back and forth;
//! - `layer`: what protects messages after such a login.

mod layer;
mod simple;
mod tokens;

pub use layer::Layer;
pub use simple::{Simple, simple};
pub use tokens::{Next, Pending};

use super::Code;
use super::wire::Outcome;
use crate::domain_controller::Refusal;

/// Why a login does not hold, in the words that clients of AD look for.
pub fn refusal(data: u32) -> Outcome {
    Outcome::new(
        Code::INVALID_CREDENTIALS,
        format!(
            "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {data:x}, v3839"
        ),
    )
}

/// The Win32 error of a refusal ([MS-ERREF] §2.2).
pub fn data_of(refusal: Refusal) -> u32 {
    match refusal {
        Refusal::Unknown => 0x525,
        Refusal::WrongPassword => 0x52e,
        Refusal::PasswordExpired => 0x532,
        Refusal::Disabled => 0x533,
        Refusal::Expired => 0x701,
        Refusal::Locked => 0x775,
    }
}
