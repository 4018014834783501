//! The GSS-API mechanism of Kerberos (RFC 4121).

use md5::{Digest, Md5};

/// What binds a login to the channel that it came over (RFC 5929, RFC 2744 §3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBinding(Vec<u8>);

impl ChannelBinding {
    /// `tls-server-end-point`: the hash of the server's certificate (RFC 5929 §4.1).
    pub fn tls_server_end_point(certificate_hash: &[u8]) -> Self {
        Self([b"tls-server-end-point:", certificate_hash].concat())
    }

    /// The MD5 of the whole structure without addresses (RFC 4121 §4.1.1.2), which NTLM sends, too.
    pub fn hash(&self) -> [u8; 16] {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        Md5::new()
            .chain_update([0; 16])
            .chain_update(length.to_le_bytes())
            .chain_update(&self.0)
            .finalize()
            .into()
    }
}

/// Signs and seals the messages of a login that held.
#[derive(Debug)]
pub struct SecurityContext {}

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

impl SecurityContext {
    /// Wraps a message for the other side: signed, and sealed if so wished (GSS_Wrap).
    pub fn wrap(&mut self, _plain: &[u8], _seal: bool) -> Vec<u8> {
        Vec::new()
    }

    /// Unwraps a message of the other side (GSS_Unwrap).
    ///
    /// # Errors
    /// It is none, was changed, or is not the next.
    pub fn unwrap(&mut self, _token: &[u8]) -> Result<Unwrapped, MessageError> {
        Err(MessageError::Malformed)
    }

    /// The signature of a message for the other side (GSS_GetMIC).
    pub fn mic(&mut self, _message: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    /// Verifies a signature of the other side (GSS_VerifyMIC).
    ///
    /// # Errors
    /// It is none, was changed, or is not the next.
    pub fn verify_mic(&mut self, _message: &[u8], _mic: &[u8]) -> Result<(), MessageError> {
        Err(MessageError::Malformed)
    }
}
