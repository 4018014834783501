//! The farm's proof keys: RSA of 2048 bits, made from a secret of the farm, so that each of its
//! servers has the same without asking another.

use num_bigint::BigUint;
use ring::digest::{Context, SHA256};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{self, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};

use lab_core::service::Secret;

/// Bits of each of the two primes.
const PRIME_BITS: u64 = 1024;
/// Candidates looked at from one random start.
const WINDOW: usize = 4096;
/// Candidates with a prime factor below this are passed over without a test.
const SIEVE: u64 = 20_000;
/// Rounds of Miller and Rabin's test: for 1,024 bits the chance of a mistake is below 2^-100
/// (FIPS 186-5 table B.1).
const ROUNDS: usize = 5;
const EXPONENT: u32 = 65537;

/// The public half of a key, as discovery tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Big endian, without leading zeros.
    pub modulus: Vec<u8>,
    /// Big endian, without leading zeros.
    pub exponent: Vec<u8>,
}

impl PublicKey {
    /// The key as Windows' CryptoAPI writes it: PUBLICKEYSTRUC and RSAPUBKEY, then the modulus in
    /// little endian. None: the exponent has more than 32 bits.
    pub fn blob(&self) -> Option<Vec<u8>> {
        if self.exponent.len() > 4 {
            return None;
        }
        let mut exponent = [0; 4];
        for (place, byte) in exponent.iter_mut().zip(self.exponent.iter().rev()) {
            *place = *byte;
        }
        let bits = u32::try_from(self.modulus.len() * 8).ok()?;
        // PUBLICKEYBLOB, version 2, CALG_RSA_KEYX.
        let mut blob = vec![6, 2, 0, 0, 0, 0xa4, 0, 0];
        blob.extend_from_slice(b"RSA1");
        blob.extend_from_slice(&bits.to_le_bytes());
        blob.extend_from_slice(&exponent);
        blob.extend(self.modulus.iter().rev());
        Some(blob)
    }

    /// Whether a signature (RSASSA-PKCS1-v1_5 with SHA-256) is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        signature::RsaPublicKeyComponents {
            n: &self.modulus,
            e: &self.exponent,
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        .is_ok()
    }
}

/// A key that signs.
pub struct ProofKey {
    pair: KeyPair,
    public: PublicKey,
    random: SystemRandom,
}

impl ProofKey {
    /// The key of this number that the secret stands for. It takes a good part of a second on a
    /// processor: not for a task that others wait for. None: not in this universe.
    pub fn derive(secret: &Secret, number: u32) -> Option<Self> {
        let mut stream = Stream::new(secret, number);
        // A pair that ring does not like is passed over; so do all servers of the farm.
        (0..8).find_map(|_| pair_of(&stream.prime(), &stream.prime()))
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs (RSASSA-PKCS1-v1_5 with SHA-256). None: the generator that blinds failed.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.public.modulus.len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)
            .ok()?;
        Some(signature)
    }
}

fn pair_of(one: &BigUint, other: &BigUint) -> Option<ProofKey> {
    // ring wants the larger prime first.
    let (p, q) = (one.max(other), one.min(other));
    let one = BigUint::from(1_u32);
    let (below_p, below_q) = (p - &one, q - &one);
    let exponent = BigUint::from(EXPONENT);
    // The least common multiple would do, too; both give the same signatures.
    let d = exponent.modinv(&(&below_p * &below_q))?;
    let public = PublicKey {
        modulus: (p * q).to_bytes_be(),
        exponent: exponent.to_bytes_be(),
    };
    let pair = KeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: public.modulus.as_slice(),
            e: public.exponent.as_slice(),
        },
        d: d.to_bytes_be().as_slice(),
        p: p.to_bytes_be().as_slice(),
        q: q.to_bytes_be().as_slice(),
        dP: (&d % &below_p).to_bytes_be().as_slice(),
        dQ: (&d % &below_q).to_bytes_be().as_slice(),
        qInv: q.modinv(p)?.to_bytes_be().as_slice(),
    })
    .ok()?;
    Some(ProofKey {
        pair,
        public,
        random: SystemRandom::new(),
    })
}

/// Numbers that nobody can foretell who does not know the secret.
struct Stream {
    seed: Context,
    block: u64,
    small: Vec<u64>,
}

impl Stream {
    fn new(secret: &Secret, number: u32) -> Self {
        let mut seed = Context::new(&SHA256);
        seed.update(b"tierlab wopi proof key");
        seed.update(secret.bytes());
        seed.update(&number.to_be_bytes());
        Self {
            seed,
            block: 0,
            small: small_primes(),
        }
    }

    fn number(&mut self, bits: u64) -> BigUint {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < bits / 8 {
            let mut block = self.seed.clone();
            block.update(&self.block.to_be_bytes());
            self.block += 1;
            bytes.extend_from_slice(block.finish().as_ref());
        }
        BigUint::from_bytes_be(&bytes[..(bits / 8) as usize])
    }

    /// A prime whose two highest bits are set, so that the product of two has twice the bits.
    fn prime(&mut self) -> BigUint {
        loop {
            let mut start = self.number(PRIME_BITS);
            start.set_bit(PRIME_BITS - 1, true);
            start.set_bit(PRIME_BITS - 2, true);
            start.set_bit(0, true);
            let candidates = self.sieved(&start);
            for at in candidates {
                let candidate = &start + BigUint::from(2 * at);
                if candidate.bits() == PRIME_BITS
                    && &candidate % EXPONENT != BigUint::from(1_u32)
                    && self.is_prime(&candidate)
                {
                    return candidate;
                }
            }
        }
    }

    /// Which of `start`, `start + 2`, `start + 4` … have no small factor.
    fn sieved(&self, start: &BigUint) -> Vec<usize> {
        let mut whole = vec![true; WINDOW];
        for &prime in &self.small {
            let rest = (start % prime).to_u64_digits().first().copied();
            let rest = rest.unwrap_or_default();
            // start + 2·at is divisible where 2·at = -rest.
            let missing = (prime - rest) % prime;
            let first = if missing % 2 == 0 {
                missing / 2
            } else {
                (missing + prime) / 2
            };
            for at in (first as usize..WINDOW).step_by(prime as usize) {
                whole[at] = false;
            }
        }
        (0..WINDOW).filter(|at| whole[*at]).collect()
    }

    fn is_prime(&mut self, candidate: &BigUint) -> bool {
        let one = BigUint::from(1_u32);
        let below = candidate - &one;
        let twos = below.trailing_zeros().unwrap_or_default();
        let odd = &below >> twos;
        (0..ROUNDS).all(|_| {
            let base = self.number(PRIME_BITS - 8) + 2_u32;
            let mut power = base.modpow(&odd, candidate);
            if power == one || power == below {
                return true;
            }
            (1..twos).any(|_| {
                power = &power * &power % candidate;
                power == below
            })
        })
    }
}

/// The odd primes below [`SIEVE`].
fn small_primes() -> Vec<u64> {
    let mut primes: Vec<u64> = Vec::new();
    for number in (3..SIEVE).step_by(2) {
        let divides = |prime: &&u64| number.is_multiple_of(**prime);
        let below_root = primes.iter().take_while(|prime| *prime * *prime <= number);
        if !below_root.clone().any(|prime| divides(&prime)) {
            primes.push(number);
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_farm_derive_the_same_key_and_each_number_another() {
        let secret = Secret::new([1; 32]);
        let (one, two) = (ProofKey::derive(&secret, 0), ProofKey::derive(&secret, 0));
        let (one, two) = (one.expect("a key"), two.expect("a key"));
        assert_eq!(one.public(), two.public());
        assert_eq!(one.public().modulus.len(), 256);
        let next = ProofKey::derive(&secret, 1).expect("a key");
        assert_ne!(one.public(), next.public());
        let signature = one.sign(b"message").expect("a signature");
        assert!(two.public().verifies(b"message", &signature));
        assert!(!two.public().verifies(b"massage", &signature));
        assert!(!next.public().verifies(b"message", &signature));
    }

    #[test]
    fn a_blob_is_what_cryptoapi_reads() {
        let key = PublicKey {
            modulus: (1..=8).collect(),
            exponent: vec![1, 0, 1],
        };
        let expected = [
            &[6, 2, 0, 0, 0, 0xa4, 0, 0][..],
            b"RSA1",
            &[64, 0, 0, 0, 1, 0, 1, 0, 8, 7, 6, 5, 4, 3, 2, 1],
        ]
        .concat();
        assert_eq!(key.blob(), Some(expected));
    }
}
