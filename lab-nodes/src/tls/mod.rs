//! TLS as the services of a lab speak it: certificates of the lab's CA on both sides, TLS 1.2
//! and 1.3, HTTP/1.1 by ALPN.
//!
//! - `server`: the side that shows a certificate and may ask the client for one;
//! - `server_1_2`: the same for TLS 1.2 alone;
//! - `client`: the side that verifies it, and shows its own where it has one;
//! - `keys`: its secrets, told to those who watch and asked for them;
//! - `identity`: which names a verified certificate stands for.
//!
//! Nothing here can be told to skip a verification. Whether a certificate is revoked is
//! [`crate::revocation`]'s work.

mod client;
mod identity;
mod keys;
mod server;
mod server_1_2;

pub(crate) use client::client_config_with;
pub use client::{client_config, without_resumption};
pub use identity::{is_for, name_in, version_of};
pub use keys::{client_telling_keys, server_telling_keys};
pub(crate) use server::server_config_with;
pub use server::{ClientCertificate, server_config};
pub use server_1_2::server_config_1_2;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// A certificate, key or root that TLS can't use.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsError(String);

impl TlsError {
    fn new(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// Named explicitly, since a process-wide default would be global state.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(
    trust: &[rustls::pki_types::CertificateDer<'static>],
) -> Result<Arc<rustls::RootCertStore>, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    for root in trust {
        roots.add(root.clone()).map_err(TlsError::new)?;
    }
    Ok(Arc::new(roots))
}
