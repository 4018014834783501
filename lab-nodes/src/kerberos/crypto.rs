//! Encryption types, keys, and what is done with them (RFC 3961, RFC 3962).

use lab_core::service::Secret;
use picky_krb::crypto::{Checksum, CipherSuite};
use ring::rand::{SecureRandom, SystemRandom};

/// An encryption type that is spoken here, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Etype {
    /// 18 (RFC 3962).
    Aes256Sha1,
    /// 17 (RFC 3962).
    Aes128Sha1,
}

/// What a key is used for (RFC 4120 §7.5.1, RFC 4121 §2).
pub mod usage {
    /// Encrypted timestamp of a pre-authentication.
    pub const TIMESTAMP: i32 = 1;
    /// A ticket, under the key of its service.
    pub const TICKET: i32 = 2;
    /// Encrypted part of an AS-REP.
    pub const AS_REP: i32 = 3;
    /// Checksum over the body of a TGS-REQ.
    pub const TGS_BODY: i32 = 6;
    /// Authenticator of a TGS-REQ.
    pub const TGS_AUTHENTICATOR: i32 = 7;
    /// Encrypted part of a TGS-REP, under the session key.
    pub const TGS_REP: i32 = 8;
    /// The same, under a subkey.
    pub const TGS_REP_SUBKEY: i32 = 9;
    /// Checksum in an authenticator.
    pub const AP_CHECKSUM: i32 = 10;
    /// Authenticator of an AP-REQ.
    pub const AP_AUTHENTICATOR: i32 = 11;
    /// Encrypted part of an AP-REP.
    pub const AP_REP: i32 = 12;
    /// Sealed message of the acceptor.
    pub const ACCEPTOR_SEAL: i32 = 22;
    /// Checksum of the acceptor.
    pub const ACCEPTOR_SIGN: i32 = 23;
    /// Sealed message of the initiator.
    pub const INITIATOR_SEAL: i32 = 24;
    /// Checksum of the initiator.
    pub const INITIATOR_SIGN: i32 = 25;
}

/// What was encrypted does not open: another key, or it was changed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decrypted data fails its integrity check")]
pub struct BadIntegrity;

impl Etype {
    /// All, the strongest first.
    pub const ALL: [Self; 2] = [Self::Aes256Sha1, Self::Aes128Sha1];

    /// Its number (RFC 3961 §8).
    pub fn number(self) -> i32 {
        match self {
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha1 => 17,
        }
    }

    /// By its number; none for what is not spoken here.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|etype| etype.number() == number)
    }

    /// Its name (RFC 3961 §8).
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
        }
    }

    /// Bytes of a key.
    pub fn key_size(self) -> usize {
        match self {
            Self::Aes256Sha1 => 32,
            Self::Aes128Sha1 => 16,
        }
    }

    /// Number of its required checksum.
    pub fn checksum_number(self) -> i32 {
        match self {
            Self::Aes256Sha1 => 16,
            Self::Aes128Sha1 => 15,
        }
    }

    /// Bytes of its required checksum.
    pub fn checksum_size(self) -> usize {
        12
    }

    /// Bytes by which a sealed text is longer than the plain one.
    pub fn overhead(self) -> usize {
        16 + self.checksum_size()
    }

    fn suite(self) -> CipherSuite {
        match self {
            Self::Aes256Sha1 => CipherSuite::Aes256CtsHmacSha196,
            Self::Aes128Sha1 => CipherSuite::Aes128CtsHmacSha196,
        }
    }
}

impl std::fmt::Display for Etype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A key of a type. Shown without its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    etype: Etype,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.etype)
    }
}

impl Key {
    /// From its bytes; none if they are too many or too few.
    pub fn new(etype: Etype, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == etype.key_size()).then(|| Self {
            etype,
            bytes: bytes.to_vec(),
        })
    }

    /// Of a password (string-to-key with the default of 4096 rounds, RFC 3962 §4).
    pub fn of_password(etype: Etype, password: &str, salt: &str) -> Self {
        let cipher = etype.suite().cipher();
        let bytes = cipher
            .generate_key_from_password(password.as_bytes(), salt.as_bytes())
            // It fails for keys of a wrong size alone, and it makes the key itself.
            .unwrap_or_default();
        Self { etype, bytes }
    }

    /// Of a service account, made of the secret that its servers and the domain controller share.
    pub fn of_secret(etype: Etype, secret: &Secret) -> Self {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.bytes());
        let tag = ring::hmac::sign(&key, etype.name().as_bytes());
        Self {
            etype,
            bytes: tag.as_ref()[..etype.key_size()].to_vec(),
        }
    }

    /// A new one.
    ///
    /// # Panics
    /// If the kernel has no random bytes: nothing can be kept secret then.
    pub fn random(etype: Etype) -> Self {
        let mut bytes = vec![0; etype.key_size()];
        SystemRandom::new()
            .fill(&mut bytes)
            .expect("the kernel gives random bytes");
        Self { etype, bytes }
    }

    /// Its type.
    pub fn etype(&self) -> Etype {
        self.etype
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Encrypts, with a checksum inside.
    pub fn encrypt(&self, usage: i32, plain: &[u8]) -> Vec<u8> {
        let cipher = self.etype.suite().cipher();
        cipher
            .encrypt(&self.bytes, usage, plain)
            // It fails for keys of a wrong size alone, which no `Key` has.
            .unwrap_or_default()
    }

    /// Decrypts what [`Self::encrypt`] made.
    ///
    /// # Errors
    /// It was made with another key or for another use, or was changed since.
    pub fn decrypt(&self, usage: i32, sealed: &[u8]) -> Result<Vec<u8>, BadIntegrity> {
        let cipher = self.etype.suite().cipher();
        cipher
            .decrypt(&self.bytes, usage, sealed)
            .map_err(|_| BadIntegrity)
    }

    /// The required checksum of its type.
    pub fn checksum(&self, usage: i32, data: &[u8]) -> Vec<u8> {
        let checksum = match self.etype {
            Etype::Aes256Sha1 => {
                picky_krb::crypto::aes::HmacSha196Aes256.checksum(&self.bytes, usage, data)
            }
            Etype::Aes128Sha1 => {
                picky_krb::crypto::aes::HmacSha196Aes128.checksum(&self.bytes, usage, data)
            }
        };
        checksum.unwrap_or_default()
    }

    /// Whether a checksum is that of the data.
    pub fn verifies(&self, usage: i32, data: &[u8], checksum: &[u8]) -> bool {
        let own = self.checksum(usage, data);
        !own.is_empty() && is_same(&own, checksum)
    }
}

/// Compares in a time that does not tell where the two part.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differing == 0
}
