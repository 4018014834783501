//! The canary of a session (`X-OWA-CANARY`): scripts of our own page can repeat it, those of
//! another site can't read it.

use data_encoding::BASE64URL_NOPAD;
use lab_core::service::Secret;
use ring::hmac;

/// The header, and the cookie that scripts read it from.
pub const NAME: &str = "X-OWA-CANARY";

/// That of the session with this `cadata`.
pub fn of(secret: &Secret, data: &str) -> String {
    BASE64URL_NOPAD.encode(hmac::sign(&key(secret), &message(data)).as_ref())
}

/// Whether what a request shows is it. Takes as long whatever is wrong.
pub fn holds(secret: &Secret, data: &str, shown: &str) -> bool {
    let Ok(shown) = BASE64URL_NOPAD.decode(shown.as_bytes()) else {
        return false;
    };
    hmac::verify(&key(secret), &message(data), &shown).is_ok()
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.bytes())
}

fn message(data: &str) -> Vec<u8> {
    [NAME.as_bytes(), b"\0", data.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_of_one_session() {
        let secret = Secret::new([7; 32]);
        let canary = of(&secret, "a");
        assert!(holds(&secret, "a", &canary));
        assert!(!holds(&secret, "b", &canary));
        assert!(!holds(&Secret::new([8; 32]), "a", &canary));
        for shown in ["", "A", &canary[1..], "!"] {
            assert!(!holds(&secret, "a", shown), "{shown}");
        }
    }
}
