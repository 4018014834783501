use std::sync::Arc;

use lab_core::service::Credential;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::CertificateDer;

use super::{TlsError, provider, roots};

/// The client side of TLS: the server's chain must lead to one of these roots and its
/// certificate must carry the name asked for. `own` is shown to servers that ask for one.
///
/// # Errors
/// The key does not fit the certificate, or a root cannot be read.
pub fn client_config(
    trust: &[CertificateDer<'static>],
    own: Option<&Credential>,
) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_with(trust, own, |verifier| verifier)
}

/// The same, with a verifier that does more than verify the chain.
pub(crate) fn client_config_with(
    trust: &[CertificateDer<'static>],
    own: Option<&Credential>,
    wrap: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let chain = WebPkiServerVerifier::builder_with_provider(roots(trust)?, provider())
        .build()
        .map_err(TlsError::new)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::new)?
        .dangerous()
        .with_custom_certificate_verifier(wrap(chain));
    let mut config = match own {
        Some(own) => builder
            .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
            .map_err(TlsError::new)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same, but each connection makes a full handshake, in which the server proves its
/// certificate.
pub fn without_resumption(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}
