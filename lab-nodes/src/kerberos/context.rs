//! The security context: messages signed and sealed after a login (RFC 4121 §4.2).

use super::crypto::{Key, usage};

/// Which side one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The client.
    Initiator,
    /// The server.
    Acceptor,
}

/// Signs and seals the messages of a login that held.
#[derive(Debug)]
pub struct SecurityContext {
    role: Role,
    key: Key,
    /// The key is one that the acceptor chose.
    of_acceptor: bool,
    next_sent: u64,
    next_received: u64,
    ordered: bool,
}

/// A message that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not a token of this kind.
    #[error("the message is no Kerberos token")]
    Malformed,
    /// Changed, or made with another key.
    #[error("the message was changed, or sealed with another key")]
    BadIntegrity,
    /// Not the next one.
    #[error("the message is not the next one")]
    OutOfOrder,
}

/// A message that was unwrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// What it says.
    pub plain: Vec<u8>,
    /// Whether it was sealed, and not only signed.
    pub sealed: bool,
}

/// Bytes of a token's header (RFC 4121 §4.2.6).
const HEADER: usize = 16;
const WRAP: [u8; 2] = [5, 4];
const MIC: [u8; 2] = [4, 4];

/// Flags of a token (RFC 4121 §4.2.2).
mod flag {
    pub const SENT_BY_ACCEPTOR: u8 = 1;
    pub const SEALED: u8 = 2;
    pub const ACCEPTOR_SUBKEY: u8 = 4;
}

impl SecurityContext {
    /// With the key of a login and the numbers of both sides' first messages.
    pub(super) fn new(role: Role, key: Key, of_acceptor: bool, sent: u32, received: u32) -> Self {
        Self {
            role,
            key,
            of_acceptor,
            next_sent: sent.into(),
            next_received: received.into(),
            ordered: true,
        }
    }

    /// Takes messages in any order: the initiator did not wish otherwise.
    pub(super) fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }

    /// Bytes by which a sealed message is longer than the plain one.
    pub fn overhead(&self) -> usize {
        2 * HEADER + self.key.etype().overhead()
    }

    /// Wraps a message for the other side: signed, and sealed if so wished (GSS_Wrap).
    pub fn wrap(&mut self, plain: &[u8], seal: bool) -> Vec<u8> {
        let usage = sealing(self.role);
        let flags = if seal { flag::SEALED } else { 0 };
        let mut header = self.header(WRAP, flags);
        if seal {
            let sealed = self.key.encrypt(usage, &[plain, &header].concat());
            return [&header[..], &sealed].concat();
        }
        let checksum = self.key.checksum(usage, &[plain, &header].concat());
        // The length of the checksum (RFC 4121 §4.2.3); it has no more than 24 bytes.
        header[5] = checksum.len() as u8;
        [&header[..], plain, &checksum].concat()
    }

    /// Unwraps a message of the other side (GSS_Unwrap).
    ///
    /// # Errors
    /// It is none, was changed, or is not the next.
    pub fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, MessageError> {
        let (mut header, body) = self.opened(token, WRAP)?;
        let extra = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let turned = usize::from(u16::from_be_bytes([header[6], header[7]]));
        let mut body = body.to_vec();
        if !body.is_empty() {
            let turned = turned % body.len();
            body.rotate_left(turned);
        }
        let usage = sealing(self.other());
        header[6..8].fill(0);
        let sealed = header[2] & flag::SEALED != 0;
        let plain = if sealed {
            let opened = self.key.decrypt(usage, &body);
            let mut plain = opened.map_err(|_| MessageError::BadIntegrity)?;
            let length = plain
                .len()
                .checked_sub(HEADER + extra)
                .ok_or(MessageError::Malformed)?;
            // The copy of the header within was encrypted before the turn (RFC 4121 §4.2.4).
            if plain[length + extra..] != header {
                return Err(MessageError::BadIntegrity);
            }
            plain.truncate(length);
            plain
        } else {
            let length = body.len().checked_sub(extra);
            let (plain, checksum) = body.split_at(length.ok_or(MessageError::Malformed)?);
            header[4..6].fill(0);
            if !self
                .key
                .verifies(usage, &[plain, &header].concat(), checksum)
            {
                return Err(MessageError::BadIntegrity);
            }
            plain.to_vec()
        };
        self.count(&header)?;
        Ok(Unwrapped { plain, sealed })
    }

    /// The signature of a message for the other side (GSS_GetMIC).
    pub fn mic(&mut self, message: &[u8]) -> Vec<u8> {
        let header = self.header(MIC, 0);
        let usage = signing(self.role);
        let checksum = self.key.checksum(usage, &[message, &header].concat());
        [&header[..], &checksum].concat()
    }

    /// Verifies a signature of the other side (GSS_VerifyMIC).
    ///
    /// # Errors
    /// It is none, was changed, or is not the next.
    pub fn verify_mic(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MessageError> {
        let (header, checksum) = self.opened(mic, MIC)?;
        let usage = signing(self.other());
        if !self
            .key
            .verifies(usage, &[message, &header].concat(), checksum)
        {
            return Err(MessageError::BadIntegrity);
        }
        self.count(&header)
    }

    fn other(&self) -> Role {
        match self.role {
            Role::Initiator => Role::Acceptor,
            Role::Acceptor => Role::Initiator,
        }
    }

    /// The header of the next message that is sent.
    fn header(&mut self, kind: [u8; 2], flags: u8) -> [u8; HEADER] {
        let mut header = [0xff; HEADER];
        header[..2].copy_from_slice(&kind);
        header[2] = flags
            | if self.role == Role::Acceptor {
                flag::SENT_BY_ACCEPTOR
            } else {
                0
            }
            | if self.of_acceptor {
                flag::ACCEPTOR_SUBKEY
            } else {
                0
            };
        if kind == WRAP {
            header[4..8].fill(0);
        }
        header[8..].copy_from_slice(&self.next_sent.to_be_bytes());
        self.next_sent = self.next_sent.wrapping_add(1);
        header
    }

    /// Header and rest of a token of the other side.
    fn opened<'t>(
        &self,
        token: &'t [u8],
        kind: [u8; 2],
    ) -> Result<([u8; HEADER], &'t [u8]), MessageError> {
        let (header, rest) = token
            .split_first_chunk::<HEADER>()
            .ok_or(MessageError::Malformed)?;
        let by_acceptor = header[2] & flag::SENT_BY_ACCEPTOR != 0;
        let other_key = (header[2] & flag::ACCEPTOR_SUBKEY != 0) != self.of_acceptor;
        if header[..2] != kind || header[3] != 0xff || other_key {
            return Err(MessageError::Malformed);
        }
        // One's own message, sent back.
        if by_acceptor != (self.role == Role::Initiator) {
            return Err(MessageError::BadIntegrity);
        }
        Ok((*header, rest))
    }

    /// Counts a message that verified.
    fn count(&mut self, header: &[u8; HEADER]) -> Result<(), MessageError> {
        let mut number = [0; 8];
        number.copy_from_slice(&header[8..]);
        if self.ordered && u64::from_be_bytes(number) != self.next_received {
            return Err(MessageError::OutOfOrder);
        }
        self.next_received = self.next_received.wrapping_add(1);
        Ok(())
    }
}

fn sealing(role: Role) -> i32 {
    match role {
        Role::Initiator => usage::INITIATOR_SEAL,
        Role::Acceptor => usage::ACCEPTOR_SEAL,
    }
}

fn signing(role: Role) -> i32 {
    match role {
        Role::Initiator => usage::INITIATOR_SIGN,
        Role::Acceptor => usage::ACCEPTOR_SIGN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kerberos::crypto::Etype;

    fn both(etype: Etype) -> (SecurityContext, SecurityContext) {
        let key = Key::random(etype);
        (
            SecurityContext::new(Role::Initiator, key.clone(), false, 7, u32::MAX),
            SecurityContext::new(Role::Acceptor, key, false, u32::MAX, 7),
        )
    }

    #[test]
    fn messages_are_read_as_they_were_wrapped() {
        for etype in Etype::ALL {
            let (mut client, mut server) = both(etype);
            for (number, seal) in [true, false, true].into_iter().enumerate() {
                let plain = vec![number as u8; 40 * number];
                let token = client.wrap(&plain, seal);
                let said = server.unwrap(&token);
                assert_eq!(
                    said,
                    Ok(Unwrapped {
                        plain: plain.clone(),
                        sealed: seal
                    })
                );
                let token = server.wrap(&plain, seal);
                assert_eq!(client.unwrap(&token).map(|said| said.plain), Ok(plain));
            }
            let mic = client.mic(b"list");
            assert_eq!(server.verify_mic(b"list", &mic), Ok(()));
        }
    }

    #[test]
    fn a_message_may_be_turned() {
        // RFC 4121 §4.2.5: some senders turn the bytes behind the header.
        for seal in [true, false] {
            let (mut client, mut server) = both(Etype::Aes256Sha1);
            let mut token = client.wrap(b"a message of some length", seal);
            token[HEADER..].rotate_right(28);
            token[7] = 28;
            let said = server.unwrap(&token).map(|said| said.plain);
            assert_eq!(said.as_deref(), Ok(&b"a message of some length"[..]));
        }
    }

    #[test]
    fn a_changed_byte_a_repeated_message_and_ones_own_are_refused() {
        for seal in [true, false] {
            let (mut client, mut server) = both(Etype::Aes128Sha1);
            let token = client.wrap(b"hello", seal);
            for at in 0..token.len() {
                let mut changed = token.clone();
                changed[at] ^= 1;
                assert!(server.unwrap(&changed).is_err(), "byte {at}");
                assert!(server.unwrap(&token[..at]).is_err(), "{at} bytes");
            }
            assert!(client.unwrap(&token).is_err());
            assert!(server.unwrap(&token).is_ok());
            assert_eq!(server.unwrap(&token), Err(MessageError::OutOfOrder));
        }
    }
}
