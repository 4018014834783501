//! The token that a client gets, and the key it is kept under.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a token.
const LENGTH: usize = 32;

/// An opaque token: 256 random bits. Who shows it is who got it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; LENGTH]);

impl Token {
    /// A new one; none if the kernel has no random numbers.
    pub(super) fn new() -> Option<Self> {
        let mut bytes = [0; LENGTH];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// From what a client shows; none: it was never handed out.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The key it is kept under.
    pub(super) fn key(&self) -> Key {
        Key::of(b"session", &self.0)
    }
}

/// As a client gets it: 43 letters, digits, `-` and `_`.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

/// A token is as good as a password.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What an entry is kept under: a digest, so that no member and no frame holds what a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// Of a name among those of its kind.
    pub(super) fn of(kind: &[u8], name: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let digest = digest(&SHA256, &[kind, &[0], name].concat());
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_strange_one_is_none() {
        let token = Token::new().expect("random numbers");
        assert_eq!(Token::read(&token.to_string()), Some(token.clone()));
        let text = token.to_string();
        for strange in [
            "",
            "a",
            &text[1..],
            &format!("{text}A"),
            "ä",
            &"=".repeat(43),
        ] {
            assert_eq!(Token::read(strange), None, "{strange}");
        }
        assert_ne!(Token::new().map(|token| token.key()), Some(token.key()));
    }
}
