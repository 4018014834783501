//! AES with HMAC-SHA2 (RFC 8009): the MAC is made over what was encrypted.

use std::num::NonZeroU32;

use ring::{hmac, pbkdf2};

use super::cts::{self, BLOCK};
use super::{Etype, is_same};

/// Rounds of string-to-key that peers use unless told otherwise (RFC 8009 §4).
const ROUNDS: NonZeroU32 = NonZeroU32::new(32_768).expect("not zero");

/// What tells the two types apart (RFC 8009 §5).
pub(super) struct Sha2 {
    name: &'static str,
    hash: hmac::Algorithm,
    rounds: pbkdf2::Algorithm,
    /// Bytes of the keys that encrypt.
    key: usize,
    /// Bytes of the keys of MACs, and of MACs.
    mac: usize,
}

/// What a key is derived for (RFC 8009 §5).
#[derive(Clone, Copy)]
enum For {
    Checksum = 0x99,
    Encryption = 0xaa,
    Integrity = 0x55,
}

impl Sha2 {
    /// Of a type; none for those of RFC 3962.
    pub fn of(etype: Etype) -> Option<Self> {
        match etype {
            Etype::Aes256Sha2 => Some(Self {
                name: etype.name(),
                hash: hmac::HMAC_SHA384,
                rounds: pbkdf2::PBKDF2_HMAC_SHA384,
                key: 32,
                mac: 24,
            }),
            Etype::Aes128Sha2 => Some(Self {
                name: etype.name(),
                hash: hmac::HMAC_SHA256,
                rounds: pbkdf2::PBKDF2_HMAC_SHA256,
                key: 16,
                mac: 16,
            }),
            Etype::Aes256Sha1 | Etype::Aes128Sha1 => None,
        }
    }

    /// KDF-HMAC-SHA2 (RFC 8009 §3).
    fn derive(&self, key: &[u8], label: &[u8], bytes: usize) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(self.hash, key));
        context.update(&[0, 0, 0, 1]);
        context.update(label);
        context.update(&[0]);
        // No key has more than 32 bytes.
        context.update(&(8 * bytes as u32).to_be_bytes());
        context.sign().as_ref()[..bytes].to_vec()
    }

    fn derived(&self, key: &[u8], usage: i32, what: For) -> Vec<u8> {
        let mut label = [0; 5];
        label[..4].copy_from_slice(&usage.to_be_bytes());
        label[4] = what as u8;
        let bytes = match what {
            For::Encryption => self.key,
            For::Checksum | For::Integrity => self.mac,
        };
        self.derive(key, &label, bytes)
    }

    fn mac(&self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(self.hash, key));
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref()[..self.mac].to_vec()
    }

    pub fn of_string(&self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        let salt = [self.name.as_bytes(), &[0], salt].concat();
        let mut raw = vec![0; self.key];
        pbkdf2::derive(self.rounds, ROUNDS, &salt, password, &mut raw);
        self.derive(&raw, b"kerberos", self.key)
    }

    pub fn encrypt(
        &self,
        key: &[u8],
        usage: i32,
        confounder: [u8; BLOCK],
        plain: &[u8],
    ) -> Vec<u8> {
        let inner = self.derived(key, usage, For::Encryption);
        // It fails for keys of a wrong size alone.
        let sealed = cts::encrypt(&inner, &[&confounder, plain].concat()).unwrap_or_default();
        let integrity = self.derived(key, usage, For::Integrity);
        let mac = self.mac(&integrity, &[&[0; BLOCK], &sealed]);
        [sealed, mac].concat()
    }

    pub fn decrypt(&self, key: &[u8], usage: i32, sealed: &[u8]) -> Option<Vec<u8>> {
        let length = sealed.len().checked_sub(self.mac)?;
        let (sealed, mac) = sealed.split_at(length);
        let integrity = self.derived(key, usage, For::Integrity);
        if !is_same(&self.mac(&integrity, &[&[0; BLOCK], sealed]), mac) {
            return None;
        }
        let inner = self.derived(key, usage, For::Encryption);
        let plain = cts::decrypt(&inner, sealed)?;
        plain.get(BLOCK..).map(<[u8]>::to_vec)
    }

    pub fn checksum(&self, key: &[u8], usage: i32, data: &[u8]) -> Vec<u8> {
        self.mac(&self.derived(key, usage, For::Checksum), &[data])
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal")
    }

    fn both() -> [Sha2; 2] {
        [Etype::Aes128Sha2, Etype::Aes256Sha2].map(|etype| Sha2::of(etype).expect("of SHA-2"))
    }

    const SHORT: &str = "3705d96080c17728a0e800eab6e0d23c";
    const LONG: &str = "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52";

    #[test]
    fn strings_become_keys_as_rfc_8009_says() {
        // Appendix A.
        let salt = [
            bytes("10df9dd783e5bc8acea1730e74355f61"),
            b"ATHENA.MIT.EDUraeburn".to_vec(),
        ]
        .concat();
        let [short, long] = both();
        assert_eq!(
            HEXLOWER.encode(&short.of_string(b"password", &salt)),
            "089bca48b105ea6ea77ca5d2f39dc5e7"
        );
        assert_eq!(
            HEXLOWER.encode(&long.of_string(b"password", &salt)),
            "45bd806dbf6a833a9cffc1c94589a222367a79bc21c413718906e9f578a78467"
        );
    }

    #[test]
    fn keys_are_derived_as_rfc_8009_says() {
        let [short, long] = both();
        for (kind, key, what, derived) in [
            (
                &short,
                SHORT,
                For::Checksum,
                "b31a018a48f54776f403e9a396325dc3",
            ),
            (
                &short,
                SHORT,
                For::Encryption,
                "9b197dd1e8c5609d6e67c3e37c62c72e",
            ),
            (
                &short,
                SHORT,
                For::Integrity,
                "9fda0e56ab2d85e1569a688696c26a6c",
            ),
            (
                &long,
                LONG,
                For::Checksum,
                "ef5718be86cc84963d8bbb5031e9f5c4ba41f28faf69e73d",
            ),
            (
                &long,
                LONG,
                For::Encryption,
                "56ab22bee63d82d7bc5227f6773f8ea7a5eb1c825160c38312980c442e5c7e49",
            ),
            (
                &long,
                LONG,
                For::Integrity,
                "69b16514e3cd8e56b82010d5c73012b622c4d00ffc23ed1f",
            ),
        ] {
            let made = kind.derived(&bytes(key), 2, what);
            assert_eq!(HEXLOWER.encode(&made), derived, "{}", kind.name);
        }
    }

    #[test]
    fn texts_are_encrypted_as_rfc_8009_says() {
        let [short, long] = both();
        for (kind, key, confounder, plain, sealed) in [
            (
                &short,
                SHORT,
                "7e5895eaf2672435bad817f545a37148",
                "",
                "ef85fb890bb8472f4dab20394dca781dad877eda39d50c870c0d5a0a8e48c718",
            ),
            (
                &short,
                SHORT,
                "7bca285e2fd4130fb55b1a5c83bc5b24",
                "000102030405",
                "84d7f30754ed987bab0bf3506beb09cfb55402cef7e6877ce99e247e52d16ed4421dfdf8976c",
            ),
            (
                &long,
                LONG,
                "f764e9fa15c276478b2c7d0c4e5f58e4",
                "",
                "41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c",
            ),
            (
                &long,
                LONG,
                "b80d3251c1f6471494256ffe712d0b9a",
                "000102030405",
                "4ed7b37c2bcac8f74f23c1cf07e62bc7b75fb3f637b9f559c7f664f69eab7b6092237526ea0d1f61cb20d69d10f2",
            ),
        ] {
            let mut first = [0; BLOCK];
            first.copy_from_slice(&bytes(confounder));
            let made = kind.encrypt(&bytes(key), 2, first, &bytes(plain));
            assert_eq!(HEXLOWER.encode(&made), sealed, "{}", kind.name);
            assert_eq!(kind.decrypt(&bytes(key), 2, &made), Some(bytes(plain)));
        }
        let text: Vec<u8> = (0..0x15).collect();
        assert_eq!(
            HEXLOWER.encode(&short.checksum(&bytes(SHORT), 2, &text)),
            "d78367186643d67b411cba9139fc1dee"
        );
        assert_eq!(
            HEXLOWER.encode(&long.checksum(&bytes(LONG), 2, &text)),
            "45ee791567eefca37f4ac1e0222de80d43c3bfa06699672a"
        );
    }
}
