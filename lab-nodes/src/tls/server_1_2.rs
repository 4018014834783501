use std::sync::Arc;

use lab_core::service::Credential;
use rustls::ServerConfig;

use super::{TlsError, provider};

/// The server side of TLS 1.2 with this certificate, for protocols that know no later version.
///
/// # Errors
/// The key does not fit the certificate.
pub fn server_config_1_2(credential: &Credential) -> Result<Arc<ServerConfig>, TlsError> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .map_err(TlsError::new)?
        .with_no_client_auth()
        .with_single_cert(credential.chain.clone(), credential.key.clone_key())
        .map_err(TlsError::new)?;
    Ok(Arc::new(config))
}
