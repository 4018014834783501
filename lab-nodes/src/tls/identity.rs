use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{CommonState, ProtocolVersion};

/// The first DNS name among a certificate's subject alternative names.
pub fn name_in(certificate: &CertificateDer<'static>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    certificate.valid_dns_names().next().map(str::to_owned)
}

/// The protocol version that a handshake came to, as people write it.
pub fn version_of(session: &CommonState) -> String {
    match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
        other => format!("{other:?}"),
    }
}

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
