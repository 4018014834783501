//! What ties a login to the TLS connection it came by: the hash of the server's certificate
//! (`tls-server-end-point`, RFC 5929 §4).

use ring::digest;
use x509_parser::oid_registry::{
    OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA384,
    OID_SIG_ECDSA_WITH_SHA512,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::proof::Key;
use crate::kerberos::ChannelBinding;

/// MD5 of a channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding(pub Key);

impl From<&ChannelBinding> for Binding {
    fn from(channel: &ChannelBinding) -> Self {
        Self(channel.hash())
    }
}

/// Of the connections whose server shows this certificate (DER).
pub fn to_certificate(certificate: &[u8]) -> ChannelBinding {
    let hash = digest::digest(hash_of(certificate), certificate);
    ChannelBinding::tls_server_end_point(hash.as_ref())
}

/// The hash of the certificate's signature; SHA-256 where that is MD5, SHA-1 or unknown.
fn hash_of(certificate: &[u8]) -> &'static digest::Algorithm {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return &digest::SHA256;
    };
    let algorithm = &certificate.signature_algorithm.algorithm;
    if [OID_PKCS1_SHA384WITHRSA, OID_SIG_ECDSA_WITH_SHA384].contains(algorithm) {
        &digest::SHA384
    } else if [OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA512].contains(algorithm) {
        &digest::SHA512
    } else {
        &digest::SHA256
    }
}
