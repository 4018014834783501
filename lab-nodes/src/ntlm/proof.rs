//! What is computed from a password and two challenges ([MS-NLMP] §3.3.2, §3.4.5).

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use rc4::{Rc4, StreamCipher};

use super::wire::utf16;

/// A key.
pub type Key = [u8; 16];

/// The NT hash of a password.
pub fn nt_hash(password: &str) -> Key {
    Md4::digest(utf16(password)).into()
}

/// NTOWFv2: the key of an account's responses, from its NT hash. The name counts in capitals, the
/// domain as the client wrote it.
pub fn response_key(nt_hash: &Key, user: &str, domain: &str) -> Key {
    // As Windows does it, letter by letter: a letter that becomes two stays what it is.
    let capital = |letter: char| {
        let mut capitals = letter.to_uppercase();
        match (capitals.next(), capitals.next()) {
            (Some(one), None) => one,
            _ => letter,
        }
    };
    let user: String = user.chars().map(capital).collect();
    keyed(nt_hash, &[&utf16(&user), &utf16(domain)])
}

/// NTProofStr.
pub fn proof(response_key: &Key, challenge: &[u8; 8], temp: &[u8]) -> Key {
    keyed(response_key, &[challenge, temp])
}

/// The session base key, which is also the key exchange key, if a response to the challenge holds.
pub fn verify(response_key: &Key, challenge: &[u8; 8], response: &[u8]) -> Option<Key> {
    let (proof, temp) = response.split_first_chunk::<16>()?;
    let mut mac = mac(response_key)?;
    mac.update(challenge);
    mac.update(temp);
    // In constant time.
    mac.verify_slice(proof).ok()?;
    Some(session_base_key(response_key, proof))
}

/// The session base key of a proof.
pub fn session_base_key(response_key: &Key, proof: &Key) -> Key {
    keyed(response_key, &[proof])
}

/// The MIC of three messages, the last with zeros in its place.
pub fn mic(session_key: &Key, messages: [&[u8]; 3]) -> Key {
    keyed(session_key, &messages)
}

/// Whether it is that MIC.
pub fn has_mic(session_key: &Key, messages: [&[u8]; 3], seen: &Key) -> bool {
    mac(session_key).is_some_and(|mut mac| {
        for message in messages {
            mac.update(message);
        }
        mac.verify_slice(seen).is_ok()
    })
}

/// RC4 of something with a key: the session key that a client chose, there and back.
pub fn exchanged(key: &Key, session_key: &Key) -> Key {
    let mut bytes = *session_key;
    apply(&mut rc4(key), &mut bytes);
    bytes
}

/// The LMv2 response, for servers that tell no time.
pub fn lm_v2(response_key: &Key, challenge: &[u8; 8], client: &[u8; 8]) -> Vec<u8> {
    let mut response = keyed(response_key, &[challenge, client]).to_vec();
    response.extend(client);
    response
}

/// MD5 of texts one after the other.
pub(super) fn md5(parts: &[&[u8]]) -> Key {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

/// HMAC-MD5 of texts one after the other.
pub(super) fn keyed(key: &Key, parts: &[&[u8]]) -> Key {
    let Some(mut mac) = mac(key) else {
        return [0; 16];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn mac(key: &Key) -> Option<Hmac<Md5>> {
    // Any length will do.
    Hmac::new_from_slice(key).ok()
}

/// RC4 with a key, at its beginning.
pub(super) fn rc4(key: &Key) -> Rc4 {
    // 16 bytes are within what RC4 takes, so the other arm is never used.
    match Rc4::new_from_slice(key) {
        Ok(cipher) => cipher,
        Err(_) => Rc4::new(&Default::default()),
    }
}

/// Applies it to bytes; it goes on from where it was.
pub(super) fn apply(cipher: &mut Rc4, bytes: &mut [u8]) {
    cipher.apply_keystream(bytes);
}
