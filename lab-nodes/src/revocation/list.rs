//! A revocation list.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// Serial numbers that an issuer has revoked.
#[derive(Clone, Debug)]
pub struct List {
    /// The issuer's name, DER.
    issuer: Vec<u8>,
    revoked: HashSet<Vec<u8>>,
    this_update: SystemTime,
    next_update: SystemTime,
}

/// Why a list is not used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is no DER, or ends early.
    #[error("it is no revocation list: {0}")]
    Malformed(String),
    /// Another authority's.
    #[error("it is another authority's")]
    Stranger,
    /// The signature is not the authority's.
    #[error("its signature is not the authority's")]
    Signature,
    /// RFC 5280 §5.2: who does not know a critical extension must not use the list.
    #[error("it has a critical extension that is not understood ({0})")]
    Critical(String),
    /// RFC 5280 §5.1.2.5.
    #[error("it does not say when the next one comes")]
    NoNext,
}

impl List {
    /// Reads a list (DER) and verifies that this authority (a certificate, DER) signed it.
    ///
    /// # Errors
    /// It did not, or the list can't be used.
    pub fn read(der: &[u8], authority: &[u8]) -> Result<Self, ListError> {
        let malformed = |error: &dyn std::fmt::Display| ListError::Malformed(error.to_string());
        let (rest, list) =
            CertificateRevocationList::from_der(der).map_err(|error| malformed(&error))?;
        if !rest.is_empty() {
            return Err(malformed(&"something follows it"));
        }
        let (_, authority) =
            X509Certificate::from_der(authority).map_err(|error| malformed(&error))?;
        if list.issuer().as_raw() != authority.subject().as_raw() {
            return Err(ListError::Stranger);
        }
        // What the signature does not cover must not differ from what it covers (RFC 5280
        // §5.1.1.2), or one list has several forms.
        let signed: &[u8] = list.tbs_cert_list.as_ref();
        if !agrees(der, signed) || list.signature_value.unused_bits != 0 {
            return Err(ListError::Signature);
        }
        list.verify_signature(authority.public_key())
            .map_err(|_| ListError::Signature)?;
        if let Some(unknown) = list.extensions().iter().find(|one| one.critical) {
            return Err(ListError::Critical(unknown.oid.to_id_string()));
        }
        let next = list.next_update().ok_or(ListError::NoNext)?;
        let revoked = list.iter_revoked_certificates();
        Ok(Self {
            issuer: list.issuer().as_raw().to_vec(),
            revoked: revoked.map(|one| magnitude(one.raw_serial())).collect(),
            this_update: at(list.last_update().timestamp()),
            next_update: at(next.timestamp()),
        })
    }

    /// Whether it revokes a certificate (DER) of its issuer. One that can't be read is none.
    pub fn revokes(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return false;
        };
        certificate.issuer().as_raw() == self.issuer
            && self.revoked.contains(&magnitude(certificate.raw_serial()))
    }

    /// Whether it revokes nothing.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// Whether both revoke the same.
    pub fn same_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.revoked == other.revoked
    }

    /// Whether a moment lies between its making and the next list.
    pub fn is_current_at(&self, moment: SystemTime) -> bool {
        self.this_update <= moment && moment <= self.next_update
    }

    /// Whether it was made before the other one.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.this_update < other.this_update
    }
}

/// Whether the algorithm that follows what is signed stands byte by byte in it, too. The parser
/// does not look at every tag of it.
fn agrees(der: &[u8], signed: &[u8]) -> bool {
    let Some(at) = der.windows(signed.len()).position(|part| part == signed) else {
        return false;
    };
    let rest = &der[at + signed.len()..];
    let algorithm = match rest {
        [0x30, length @ 0..0x80, ..] => rest.get(..2 + usize::from(*length)),
        _ => None,
    };
    algorithm.is_some_and(|algorithm| {
        signed
            .windows(algorithm.len())
            .any(|part| part == algorithm)
    })
}

/// A serial number without the zeros in front, of which there may be one for the sign.
fn magnitude(serial: &[u8]) -> Vec<u8> {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial[zeros..].to_vec()
}

fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}
