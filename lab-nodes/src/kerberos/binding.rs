//! What binds a login to the channel that it came over.

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
