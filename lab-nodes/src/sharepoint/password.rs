//! Passwords of accounts that only the farm knows, as it keeps them.

use std::num::NonZeroU32;

use data_encoding::BASE64;
use ring::digest::{SHA256, digest};
use ring::pbkdf2;
use serde::{Deserialize, Serialize};

/// Rounds: few, since a lab is planned often and its passwords stand in its file.
const ROUNDS: NonZeroU32 = NonZeroU32::new(2000).expect("not zero");

/// A password that can be compared and not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hashed {
    salt: String,
    hash: String,
}

impl Hashed {
    /// Of a password. The salt comes from `whose`: a plan has no random numbers.
    pub fn new(whose: &str, password: &str) -> Self {
        let salt = digest(&SHA256, whose.as_bytes());
        let mut hash = [0; 32];
        let way = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(way, ROUNDS, salt.as_ref(), password.as_bytes(), &mut hash);
        Self {
            salt: BASE64.encode(salt.as_ref()),
            hash: BASE64.encode(&hash),
        }
    }

    /// Whether it is this one; takes as long for every wrong one.
    pub fn is(&self, password: &str) -> bool {
        let read = |text: &str| BASE64.decode(text.as_bytes());
        let (Ok(salt), Ok(hash)) = (read(&self.salt), read(&self.hash)) else {
            return false;
        };
        // HMAC fills its key up with zeros: more of them would be the same password.
        if password.contains('\0') {
            return false;
        }
        let way = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::verify(way, ROUNDS, &salt, password.as_bytes(), &hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Hashed;

    #[test]
    fn only_the_password_itself_is_it() {
        let kept = Hashed::new("sp ivan", "Passw0rd!");
        assert!(kept.is("Passw0rd!"));
        assert!(!kept.is("passw0rd!") && !kept.is("") && !kept.is("Passw0rd!\0"));
        assert_ne!(kept, Hashed::new("sp eve", "Passw0rd!"));
    }
}
