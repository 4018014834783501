//! What protects messages after a login by a mechanism (RFC 4422 §3.7).

use super::super::sasl::Protection;

/// How messages are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Signed.
    Signed,
    /// Signed and sealed.
    Sealed,
}

/// Most bytes of a protected message that are taken, beyond those of its content.
const OVERHEAD: usize = 1024;
/// Bytes of content in a protected message, at most, whatever the client takes.
const PIECE: usize = 32 << 10;

/// Protects the messages of a connection.
pub struct Layer {
    protection: Box<dyn Protection>,
    sealing: Sealing,
    piece: usize,
}

/// A message that ends the connection.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Too long.
    #[error("a protected message of {0} bytes is longer than what is taken")]
    TooLong(usize),
    /// Not protected as it should be.
    #[error("a protected message does not verify: {0}")]
    Unverified(String),
    /// Signed, where it should be sealed.
    #[error("a message is signed where it should be sealed")]
    NotSealed,
}

impl Layer {
    /// With a session's key; the client takes messages of so many bytes.
    pub fn new(protection: Box<dyn Protection>, sealing: Sealing, largest: usize) -> Self {
        Self {
            protection,
            sealing,
            piece: largest.saturating_sub(OVERHEAD).clamp(256, PIECE),
        }
    }

    /// Appends messages, protected and framed by their length.
    pub fn wrap(&mut self, messages: &[u8], out: &mut Vec<u8>) {
        for piece in messages.chunks(self.piece) {
            let wrapped = self.protection.wrap(piece, self.sealing == Sealing::Sealed);
            // A piece and its overhead are far below four gigabytes.
            let length = u32::try_from(wrapped.len()).unwrap_or_default();
            out.extend(length.to_be_bytes());
            out.extend(wrapped);
        }
    }

    /// Opens the first frame of `inbox`, which is taken from it; none while it is not all there.
    /// `limit` is for the content.
    ///
    /// # Errors
    /// It is too long, or not what the client protected.
    pub fn open(&mut self, inbox: &mut Vec<u8>, limit: usize) -> Result<Option<Vec<u8>>, Broken> {
        let Some((length, rest)) = inbox.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > limit.saturating_add(OVERHEAD) {
            return Err(Broken::TooLong(length));
        }
        let Some(wrapped) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, sealed) = self
            .protection
            .unwrap(wrapped)
            .map_err(Broken::Unverified)?;
        if self.sealing == Sealing::Sealed && !sealed {
            return Err(Broken::NotSealed);
        }
        inbox.drain(..4 + length);
        Ok(Some(message))
    }
}
