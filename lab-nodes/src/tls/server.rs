use std::sync::Arc;

use lab_core::service::Credential;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::{TlsError, provider, roots};

/// Whether a server asks its clients for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It does not.
    NotAsked,
    /// It does. One that the lab's CA did not issue ends the handshake; a client without any
    /// gets through it, and the server decides by request (a health check shows none).
    Asked,
}

/// The server side of TLS with this certificate.
///
/// # Errors
/// The key does not fit the certificate, or a root cannot be read.
pub fn server_config(
    credential: &Credential,
    trust: &[CertificateDer<'static>],
    clients: ClientCertificate,
) -> Result<Arc<ServerConfig>, TlsError> {
    server_config_with(credential, trust, clients, |verifier| verifier)
}

/// The same, with a verifier that does more than verify the chain.
pub(crate) fn server_config_with(
    credential: &Credential,
    trust: &[CertificateDer<'static>],
    clients: ClientCertificate,
    wrap: impl FnOnce(Arc<dyn ClientCertVerifier>) -> Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::new)?;
    let builder = match clients {
        ClientCertificate::NotAsked => builder.with_no_client_auth(),
        ClientCertificate::Asked => {
            let chain = WebPkiClientVerifier::builder_with_provider(roots(trust)?, provider())
                .allow_unauthenticated()
                .build()
                .map_err(TlsError::new)?;
            builder.with_client_cert_verifier(wrap(chain))
        }
    };
    let mut config = builder
        .with_single_cert(credential.chain.clone(), credential.key.clone_key())
        .map_err(TlsError::new)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
