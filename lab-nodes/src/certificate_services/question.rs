//! An OCSP request (RFC 6960 §4.1).

use data_encoding::BASE64_NOPAD;
use percent_encoding::percent_decode_str;
use x509_cert::der::Decode;
use x509_cert::der::asn1::OctetString;
use x509_cert::der::oid::db::rfc6960::ID_PKIX_OCSP_NONCE;
use x509_cert::ext::Extension;
use x509_ocsp::{CertId, OcspRequest};

/// Longest request that is read, in bytes: the certificates of a whole chain need a tenth of it.
pub(super) const LONGEST: usize = 16 << 10;
/// Most certificates asked about at once.
const MOST: usize = 64;
/// Lengths of a nonce, in bytes (RFC 9654 §2.1).
const NONCE: std::ops::RangeInclusive<usize> = 1..=128;

/// A question about certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Each by its issuer and serial number.
    pub certificates: Vec<CertId>,
    /// What the answer must repeat.
    pub nonce: Option<Extension>,
}

/// It is no question.
#[derive(Debug, thiserror::Error)]
#[error("no OCSP request: {0}")]
pub struct Malformed(String);

impl Question {
    /// Reads DER. A signature is not looked at: everybody may ask.
    ///
    /// # Errors
    /// It is no OCSP request of version 1, asks about nothing or too much, or its nonce has
    /// another length than 1 to 128 bytes.
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        if der.len() > LONGEST {
            return Err(Malformed(format!("it is longer than {LONGEST} bytes")));
        }
        let request = OcspRequest::from_der(der).map_err(|error| Malformed(error.to_string()))?;
        let certificates: Vec<CertId> = request
            .tbs_request
            .request_list
            .into_iter()
            .map(|one| one.req_cert)
            .collect();
        if !(1..=MOST).contains(&certificates.len()) {
            return Err(Malformed(format!(
                "it asks about {} certificates, not 1 to {MOST}",
                certificates.len()
            )));
        }
        let mut extensions = request.tbs_request.request_extensions.unwrap_or_default();
        extensions.retain(|extension| extension.extn_id == ID_PKIX_OCSP_NONCE);
        let nonce = extensions.into_iter().next();
        if let Some(nonce) = &nonce {
            let value = OctetString::from_der(nonce.extn_value.as_bytes());
            if !value.is_ok_and(|value| NONCE.contains(&value.as_bytes().len())) {
                return Err(Malformed("its nonce has no length of 1 to 128".to_owned()));
            }
        }
        Ok(Self {
            certificates,
            nonce,
        })
    }

    /// Reads what stands behind the last slash of a GET (RFC 6960 §A.1): base64, percent-encoded.
    ///
    /// # Errors
    /// As [`Question::read`], and what is no base64.
    pub fn read_path(text: &str) -> Result<Self, Malformed> {
        if text.len() > LONGEST {
            return Err(Malformed(format!("it is longer than {LONGEST} bytes")));
        }
        let base64: Vec<u8> = percent_decode_str(text).collect();
        let padding = base64
            .iter()
            .rev()
            .take_while(|byte| **byte == b'=')
            .count();
        // Some leave the padding out.
        let base64 = &base64[..base64.len() - padding.min(2)];
        let der = BASE64_NOPAD.decode(base64);
        Self::read(&der.map_err(|error| Malformed(error.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER};

    use super::*;

    /// RFC 6960's grammar by hand: one certificate, SHA-1, serial number 0x1234, and a nonce.
    const REQUEST: &str = "30623060303f303d303b300906052b0e03021a05000414\
        0102030405060708090a0b0c0d0e0f1011121314\
        04141415161718191a1b1c1d1e1f2021222324252627\
        02021234a21d301b301906092b0601050507300102040c040a6162636465666768696a";

    fn request() -> Vec<u8> {
        let text: String = REQUEST.split_whitespace().collect();
        HEXLOWER.decode(text.as_bytes()).expect("hexadecimal")
    }

    #[test]
    fn a_request_is_read_by_post_and_by_get() {
        let question = Question::read(&request()).expect("a request");
        assert_eq!(question.certificates.len(), 1);
        let serial = &question.certificates[0].serial_number;
        assert_eq!(serial.as_bytes(), [0x12, 0x34]);
        assert!(question.nonce.is_some());
        let base64 = BASE64.encode(&request());
        for path in [
            base64.clone(),
            base64.trim_end_matches('=').to_owned(),
            base64
                .replace('/', "%2F")
                .replace('+', "%2b")
                .replace('=', "%3D"),
        ] {
            assert_eq!(Question::read_path(&path).expect("a request"), question);
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let good = request();
        for length in 0..good.len() {
            assert!(Question::read(&good[..length]).is_err(), "{length} bytes");
        }
        let followed = [&good[..], b"\0"].concat();
        assert!(Question::read(&followed).is_err());
        assert!(Question::read(&vec![0x30; LONGEST + 1]).is_err());
        // An empty list of certificates.
        assert!(Question::read(&[0x30, 0x04, 0x30, 0x02, 0x30, 0x00]).is_err());
        for path in ["", "=", "====", "%", "%zz", "a b", "\u{fc}"] {
            assert!(Question::read_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_nonce_has_a_length() {
        let mut empty = request();
        let at = empty.len() - 14;
        assert_eq!(empty[at..at + 4], [0x04, 0x0c, 0x04, 0x0a]);
        // The octets remain, but the inner length says that there are none.
        empty[at + 3] = 0;
        assert!(Question::read(&empty).is_err());
    }
}
