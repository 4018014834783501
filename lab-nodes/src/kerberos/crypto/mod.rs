//! Encryption types, keys, and what is done with them (RFC 3961, RFC 3962, RFC 8009).

mod cts;
mod etype;
mod sha2;

pub use etype::Etype;

use std::num::NonZeroU32;

use lab_core::service::Secret;
use picky_krb::crypto::aes::{AesSize, HmacSha196Aes128, HmacSha196Aes256, derive_key};
use picky_krb::crypto::{Checksum, Cipher, CipherSuite, KERBEROS};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};

use self::sha2::Sha2;

/// Rounds of string-to-key that peers use unless told otherwise (RFC 3962 §4).
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).expect("not zero");

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
    fn family(self) -> Family {
        match Sha2::of(self) {
            Some(kind) => Family::Sha2(kind),
            None if self.key_size() == 32 => Family::Sha1(AesSize::Aes256),
            None => Family::Sha1(AesSize::Aes128),
        }
    }
}

/// How a type encrypts.
enum Family {
    /// RFC 3962.
    Sha1(AesSize),
    /// RFC 8009.
    Sha2(Sha2),
}

/// The cipher of RFC 3962 with keys of a size.
fn cipher(size: &AesSize) -> Box<dyn Cipher> {
    match size {
        AesSize::Aes256 => CipherSuite::Aes256CtsHmacSha196.cipher(),
        AesSize::Aes128 => CipherSuite::Aes128CtsHmacSha196.cipher(),
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

    /// Of a password (string-to-key with the usual number of rounds: RFC 3962 §4, RFC 8009 §4).
    pub fn of_password(etype: Etype, password: &str, salt: &str) -> Self {
        let (password, salt) = (password.as_bytes(), salt.as_bytes());
        let bytes = match etype.family() {
            Family::Sha1(size) => of_string(&size, password, salt, ROUNDS),
            Family::Sha2(kind) => kind.of_string(password, salt),
        };
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
        let bytes = random::<32>()[..etype.key_size()].to_vec();
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

    /// Encrypts, with a checksum that finds changes.
    pub fn encrypt(&self, usage: i32, plain: &[u8]) -> Vec<u8> {
        match self.etype.family() {
            // It fails for keys of a wrong size alone, which no `Key` has.
            Family::Sha1(size) => cipher(&size)
                .encrypt(&self.bytes, usage, plain)
                .unwrap_or_default(),
            Family::Sha2(kind) => kind.encrypt(&self.bytes, usage, random(), plain),
        }
    }

    /// Decrypts what [`Self::encrypt`] made.
    ///
    /// # Errors
    /// It was made with another key or for another use, or was changed since.
    pub fn decrypt(&self, usage: i32, sealed: &[u8]) -> Result<Vec<u8>, BadIntegrity> {
        let plain = match self.etype.family() {
            Family::Sha1(size) => cipher(&size).decrypt(&self.bytes, usage, sealed).ok(),
            Family::Sha2(kind) => kind.decrypt(&self.bytes, usage, sealed),
        };
        plain.ok_or(BadIntegrity)
    }

    /// The required checksum of its type.
    pub fn checksum(&self, usage: i32, data: &[u8]) -> Vec<u8> {
        match self.etype.family() {
            Family::Sha1(AesSize::Aes256) => HmacSha196Aes256.checksum(&self.bytes, usage, data),
            Family::Sha1(AesSize::Aes128) => HmacSha196Aes128.checksum(&self.bytes, usage, data),
            Family::Sha2(kind) => return kind.checksum(&self.bytes, usage, data),
        }
        .unwrap_or_default()
    }

    /// Whether a checksum is that of the data.
    pub fn verifies(&self, usage: i32, data: &[u8], checksum: &[u8]) -> bool {
        let own = self.checksum(usage, data);
        !own.is_empty() && is_same(&own, checksum)
    }
}

/// String-to-key of RFC 3962 §4.
fn of_string(size: &AesSize, password: &[u8], salt: &[u8], rounds: NonZeroU32) -> Vec<u8> {
    let mut raw = vec![0; size.key_length()];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, rounds, salt, password, &mut raw);
    // It fails for keys of a wrong size alone.
    derive_key(&raw, KERBEROS, size).unwrap_or_default()
}

/// Random bytes.
///
/// # Panics
/// If the kernel has none: nothing can be kept secret then.
fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the kernel gives random bytes");
    bytes
}

/// Compares in a time that does not tell where the two part.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal")
    }

    #[test]
    fn passwords_become_the_keys_that_stock_programs_make() {
        // Made by MIT's ktutil: `addent -password -p alice@CORP.CONTOSO.COM -k 1 -e …`.
        for (etype, key) in [
            (
                Etype::Aes256Sha1,
                "785823438ef125b05bd698551ad1a8ea38007cad7316ebcc85cc9890e357678e",
            ),
            (Etype::Aes128Sha1, "7fa1a45342c4a041cef318a279ba428e"),
            (
                Etype::Aes256Sha2,
                "7313499695134dafabca77a43656eb1088f57a7d416af470caf82148e99ba858",
            ),
            (Etype::Aes128Sha2, "d8f29c1ccdee45359e03662afe40057c"),
        ] {
            let made = Key::of_password(etype, "Passw0rd!", "CORP.CONTOSO.COMalice");
            assert_eq!(HEXLOWER.encode(made.bytes()), key, "{etype}");
        }
    }

    #[test]
    fn strings_become_keys_as_rfc_3962_says() {
        // RFC 3962 appendix B: rounds, pass phrase, salt, keys of 128 and 256 bits.
        let clef = bytes("f09d849e");
        let odd = bytes("1234567878563412");
        let raeburn = b"ATHENA.MIT.EDUraeburn";
        for (rounds, phrase, salt, short, long) in [
            (
                1,
                &b"password"[..],
                &raeburn[..],
                "42263c6e89f4fc28b8df68ee09799f15",
                "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
            ),
            (
                2,
                b"password",
                raeburn,
                "c651bf29e2300ac27fa469d693bdda13",
                "a2e16d16b36069c135d5e9d2e25f896102685618b95914b467c67622225824ff",
            ),
            (
                1200,
                b"password",
                raeburn,
                "4c01cd46d632d01e6dbe230a01ed642a",
                "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a",
            ),
            (
                5,
                b"password",
                &odd,
                "e9b23d52273747dd5c35cb55be619d8e",
                "97a4e786be20d81a382d5ebc96d5909cabcdadc87ca48f574504159f16c36e31",
            ),
            (
                1200,
                &[b'X'; 65],
                b"pass phrase exceeds block size",
                "cb8005dc5f90179a7f02104c0018751d",
                "d78c5c9cb872a8c9dad4697f0bb5b2d21496c82beb2caeda2112fceea057401b",
            ),
            (
                50,
                &clef,
                b"EXAMPLE.COMpianist",
                "f149c1f2e154a73452d43e7fe62a56e5",
                "4b6d9839f84406df1f09cc166db4b83c571848b784a3d6bdc346589a3e393f9e",
            ),
        ] {
            let rounds = NonZeroU32::new(rounds).expect("not zero");
            for (size, key) in [(AesSize::Aes128, short), (AesSize::Aes256, long)] {
                let made = of_string(&size, phrase, salt, rounds);
                assert_eq!(HEXLOWER.encode(&made), key, "{rounds} rounds");
            }
        }
    }

    #[test]
    fn what_was_encrypted_opens_with_the_same_key_and_use_alone() {
        for etype in Etype::ALL {
            let key = Key::random(etype);
            for length in [0, 1, 15, 16, 17, 32, 100] {
                let plain = vec![7; length];
                let sealed = key.encrypt(usage::TICKET, &plain);
                assert_eq!(sealed.len(), length + etype.overhead(), "{etype}, {length}");
                assert_eq!(key.decrypt(usage::TICKET, &sealed), Ok(plain));
                assert!(key.decrypt(usage::AS_REP, &sealed).is_err());
                assert!(Key::random(etype).decrypt(usage::TICKET, &sealed).is_err());
                for at in 0..sealed.len() {
                    let mut changed = sealed.clone();
                    changed[at] ^= 0x80;
                    assert!(key.decrypt(usage::TICKET, &changed).is_err(), "byte {at}");
                    assert!(
                        key.decrypt(usage::TICKET, &sealed[..at]).is_err(),
                        "{at} bytes"
                    );
                }
            }
        }
    }

    #[test]
    fn keys_of_secrets_differ_by_type_and_secret() {
        let one = Secret::new([1; 32]);
        let long = Key::of_secret(Etype::Aes256Sha1, &one);
        let short = Key::of_secret(Etype::Aes128Sha1, &one);
        assert_ne!(long.bytes()[..16], *short.bytes());
        assert_ne!(
            long,
            Key::of_secret(Etype::Aes256Sha1, &Secret::new([2; 32]))
        );
        assert_eq!(format!("{long:?}"), "Key(aes256-cts-hmac-sha1-96)");
    }
}
