//! Signatures and seals of an established session, with extended session security
//! ([MS-NLMP] §3.4).

use rc4::Rc4;

use super::flags::Flags;
use super::proof::{Key, apply, keyed, md5, rc4};

/// Which side of a session this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that logged in.
    Client,
    /// The one that was logged in to.
    Server,
}

/// Length of a signature.
pub const SIGNATURE: usize = 16;

/// Protects the messages of a session, each in its turn.
pub struct Security {
    ours: Direction,
    theirs: Direction,
}

struct Direction {
    signing: Key,
    sealing: Key,
    cipher: Rc4,
    sequence: u32,
    exchanged: bool,
}

impl Security {
    /// With the key that the session agreed on. None: the sides did not agree on extended session
    /// security, and what was before it protects nothing.
    pub fn new(session_key: &Key, flags: Flags, side: Side) -> Option<Self> {
        if !flags.has(Flags::EXTENDED_SESSION_SECURITY) {
            return None;
        }
        let client = Direction::new(session_key, flags, "client-to-server");
        let server = Direction::new(session_key, flags, "server-to-client");
        Some(match side {
            Side::Client => Self {
                ours: client,
                theirs: server,
            },
            Side::Server => Self {
                ours: server,
                theirs: client,
            },
        })
    }

    /// Signs a message.
    pub fn sign(&mut self, message: &[u8]) -> [u8; SIGNATURE] {
        self.ours.signature(message)
    }

    /// Seals and signs a message.
    pub fn seal(&mut self, message: &[u8]) -> (Vec<u8>, [u8; SIGNATURE]) {
        let mut sealed = message.to_vec();
        apply(&mut self.ours.cipher, &mut sealed);
        (sealed, self.ours.signature(message))
    }

    /// Whether the other side signed this message, in its turn.
    pub fn verify(&mut self, message: &[u8], signature: &[u8]) -> bool {
        let expected = self.theirs.signature(message);
        let differ = expected.iter().zip(signature);
        signature.len() == SIGNATURE && differ.fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
    }

    /// Opens what the other side sealed and signed, in its turn.
    pub fn open(&mut self, sealed: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
        let mut message = sealed.to_vec();
        apply(&mut self.theirs.cipher, &mut message);
        self.verify(&message, signature).then_some(message)
    }

    /// The ciphers begin anew and the count goes on: so it is after the signatures of SPNEGO
    /// ([MS-SPNG] §3.3.5.1).
    pub fn begin_ciphers_anew(&mut self) {
        for direction in [&mut self.ours, &mut self.theirs] {
            direction.cipher = rc4(&direction.sealing);
        }
    }
}

impl Direction {
    fn new(session_key: &Key, flags: Flags, way: &str) -> Self {
        let magic = |kind: &str| format!("session key to {way} {kind} key magic constant\0");
        let cut = match () {
            () if flags.has(Flags::KEY_128) => 16,
            () if flags.has(Flags::KEY_56) => 7,
            () => 5,
        };
        let sealing = md5(&[&session_key[..cut], magic("sealing").as_bytes()]);
        Self {
            signing: md5(&[session_key, magic("signing").as_bytes()]),
            sealing,
            cipher: rc4(&sealing),
            sequence: 0,
            exchanged: flags.has(Flags::KEY_EXCHANGE),
        }
    }

    fn signature(&mut self, message: &[u8]) -> [u8; SIGNATURE] {
        let sequence = self.sequence.to_le_bytes();
        let digest = keyed(&self.signing, &[&sequence, message]);
        let mut signature = [0; SIGNATURE];
        signature[0] = 1;
        signature[4..12].copy_from_slice(&digest[..8]);
        if self.exchanged {
            apply(&mut self.cipher, &mut signature[4..12]);
        }
        signature[12..].copy_from_slice(&sequence);
        self.sequence = self.sequence.wrapping_add(1);
        signature
    }
}
