use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

/// Whether a certificate, whose chain was verified in the handshake, carries one of these DNS
/// names or addresses among its subject alternative names (RFC 6125 §6.4).
pub fn is_for<'n>(
    certificate: &CertificateDer<'_>,
    names: impl IntoIterator<Item = &'n str>,
) -> bool {
    let Ok(certificate) = ParsedCertificate::try_from(certificate) else {
        return false;
    };
    names.into_iter().any(|name| {
        ServerName::try_from(name).is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
    })
}
