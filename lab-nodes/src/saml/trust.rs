//! Whose signature is trusted.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::instant::Instant;
use super::refusal::Refusal;

/// Whose signature is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedBy {
    /// This certificate's key and no other, in DER: what an administrator imports.
    Pinned(Vec<u8>),
    /// Whoever shows, with the token, a certificate that the lab's CA issued for this very name and
    /// that is valid. The certificates of a lab are made when it starts: the name is what can be
    /// known before.
    Named(String),
}

impl SignedBy {
    /// For people.
    pub(super) fn whom(&self) -> String {
        match self {
            Self::Pinned(_) => "the certificate that was imported".to_owned(),
            Self::Named(name) => name.clone(),
        }
    }

    /// The certificate whose key must have signed, given those that came with the token.
    pub(super) fn certificate<'c>(
        &'c self,
        shown: &'c [Vec<u8>],
        roots: &[CertificateDer<'_>],
        now: Instant,
    ) -> Result<&'c [u8], Refusal> {
        match self {
            Self::Pinned(certificate) => Ok(certificate),
            Self::Named(name) => shown
                .iter()
                .find(|certificate| is_named(certificate, name))
                .filter(|certificate| is_issued(certificate, shown, roots, now))
                .map(Vec::as_slice)
                .ok_or_else(|| Refusal::Signer(self.whom())),
        }
    }
}

/// Whether a certificate carries exactly this DNS name: no wildcard speaks for a signer.
fn is_named(certificate: &[u8], name: &str) -> bool {
    let der = CertificateDer::from(certificate);
    EndEntityCert::try_from(&der)
        .is_ok_and(|certificate| certificate.valid_dns_names().any(|own| own == name))
}

fn is_issued(
    certificate: &[u8],
    shown: &[Vec<u8>],
    roots: &[CertificateDer<'_>],
    now: Instant,
) -> bool {
    let der = CertificateDer::from(certificate);
    let Ok(certificate) = EndEntityCert::try_from(&der) else {
        return false;
    };
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let others: Vec<CertificateDer<'_>> = shown
        .iter()
        .map(|one| CertificateDer::from(&one[..]))
        .collect();
    let since = now.system_time().duration_since(std::time::UNIX_EPOCH);
    let time = UnixTime::since_unix_epoch(since.unwrap_or(Duration::ZERO));
    certificate
        .verify_for_usage(
            rustls::crypto::ring::default_provider()
                .signature_verification_algorithms
                .all,
            &anchors,
            &others,
            time,
            KeyUsage::client_auth(),
            None,
            None,
        )
        .is_ok()
}
