//! AES in CBC mode with ciphertext stealing (CBC-CS3), initial vector zero (RFC 3962 §5).

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};

/// Bytes of a block.
pub(super) const BLOCK: usize = 16;

type Block = [u8; BLOCK];

enum Aes {
    Short(Aes128),
    Long(Aes256),
}

impl Aes {
    /// None if the key has neither 16 nor 32 bytes.
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Self::Short),
            _ => Aes256::new_from_slice(key).ok().map(Self::Long),
        }
    }

    fn encrypt(&self, block: Block) -> Block {
        let mut block = Array(block);
        match self {
            Self::Short(aes) => aes.encrypt_block(&mut block),
            Self::Long(aes) => aes.encrypt_block(&mut block),
        }
        block.0
    }

    fn decrypt(&self, block: Block) -> Block {
        let mut block = Array(block);
        match self {
            Self::Short(aes) => aes.decrypt_block(&mut block),
            Self::Long(aes) => aes.decrypt_block(&mut block),
        }
        block.0
    }
}

fn xor(one: Block, other: Block) -> Block {
    std::array::from_fn(|at| one[at] ^ other[at])
}

/// The blocks of some bytes, the last one filled up with zeroes.
fn blocks(bytes: &[u8]) -> Vec<Block> {
    bytes
        .chunks(BLOCK)
        .map(|chunk| std::array::from_fn(|at| chunk.get(at).copied().unwrap_or_default()))
        .collect()
}

/// Encrypts at least one block of bytes; none for less, or a key of another size.
pub(super) fn encrypt(key: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let aes = Aes::new(key)?;
    if plain.len() < BLOCK {
        return None;
    }
    let mut last = [0; BLOCK];
    let mut sealed: Vec<Block> = Vec::with_capacity(plain.len() / BLOCK + 1);
    for block in blocks(plain) {
        last = aes.encrypt(xor(last, block));
        sealed.push(last);
    }
    let count = sealed.len();
    if count > 1 {
        sealed.swap(count - 2, count - 1);
    }
    let mut sealed = sealed.concat();
    sealed.truncate(plain.len());
    Some(sealed)
}

/// Decrypts what [`encrypt`] made; none for what it cannot have made.
pub(super) fn decrypt(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let aes = Aes::new(key)?;
    if sealed.len() < BLOCK {
        return None;
    }
    let mut all = blocks(sealed);
    let count = all.len();
    if count > 1 {
        // The last but one was encrypted last; its plain text ends in what was stolen.
        let stolen = sealed.len() - (count - 1) * BLOCK;
        let opened = aes.decrypt(all[count - 2]);
        all[count - 1][stolen..].copy_from_slice(&opened[stolen..]);
        all.swap(count - 2, count - 1);
    }
    let mut last = [0; BLOCK];
    let mut plain = Vec::with_capacity(count * BLOCK);
    for block in all {
        plain.extend_from_slice(&xor(last, aes.decrypt(block)));
        last = block;
    }
    plain.truncate(sealed.len());
    Some(plain)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_3962() {
        // Appendix B: key `chicken teriyaki`, texts of 17 to 64 bytes.
        let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
        for (length, sealed) in [
            (17, "c6353568f2bf8cb4d8a580362da7ff7f97"),
            (
                31,
                "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5",
            ),
            (
                32,
                "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584",
            ),
            (
                47,
                "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
            ),
            (
                48,
                "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8",
            ),
            (
                64,
                "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a84807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
            ),
        ] {
            let key = b"chicken teriyaki";
            let made = encrypt(key, &text[..length]).expect("a key of 16 bytes");
            assert_eq!(HEXLOWER.encode(&made), sealed);
            assert_eq!(decrypt(key, &made).as_deref(), Some(&text[..length]));
        }
        assert_eq!(encrypt(b"short", text), None);
        assert_eq!(decrypt(b"chicken teriyaki", &text[..15]), None);
    }
}
