//! What the authority knows, and what it signs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use lab_core::service::{Authority, Issued};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, SigningKey,
};
use ring::digest::{self, digest};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;
use x509_cert::Certificate;
use x509_cert::der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, OctetString};
use x509_cert::der::{self, Decode, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspResponse, ResponderId,
    ResponseData, RevokedInfo, SingleResponse, Version,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::question::Question;

/// Until the next list, and the next answer about a certificate, comes at the latest.
const LIFE: Duration = Duration::days(1);
/// Clocks of clients may lag.
const BACKDATED: Duration = Duration::hours(1);
/// Life of the responder's certificate, which nobody can revoke (RFC 6960 §4.2.2.2.1).
const RESPONDER_LIFE: Duration = Duration::days(2);

/// ecdsa-with-SHA256 (RFC 5758 §3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
const NO_CHECK: [u64; 10] = [1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
/// NULL, DER.
const NULL: [u8; 2] = [0x05, 0x00];

/// Hash functions that name an issuer in questions.
const HASHES: [(&str, &digest::Algorithm); 4] = [
    ("1.3.14.3.2.26", &digest::SHA1_FOR_LEGACY_USE_ONLY),
    ("2.16.840.1.101.3.4.2.1", &digest::SHA256),
    ("2.16.840.1.101.3.4.2.2", &digest::SHA384),
    ("2.16.840.1.101.3.4.2.3", &digest::SHA512),
];

/// The authority's back office.
pub struct Office {
    lab: String,
    /// The root's certificate, DER.
    pub root: CertificateDer<'static>,
    /// The issuing CA's certificate, DER.
    pub issuing: CertificateDer<'static>,
    /// The root's list, DER.
    pub root_list: Vec<u8>,
    /// The issuing CA's name, DER, and the bits of its key: by their hashes it is asked for.
    subject: Vec<u8>,
    key_bits: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    issued: watch::Receiver<Vec<Issued>>,
    made: Mutex<Made>,
}

/// What was signed lately.
#[derive(Default)]
struct Made {
    list: Option<SignedList>,
    responder: Option<Responder>,
}

/// A revocation list.
#[derive(Clone)]
pub struct SignedList {
    /// DER.
    pub der: Vec<u8>,
    /// Its number, higher than that of all before.
    pub number: u64,
    made: OffsetDateTime,
    revoked: Vec<(Vec<u8>, i64)>,
}

/// Who answers questions for the authority.
struct Responder {
    certificate: Certificate,
    key: KeyPair,
    id: ResponderId,
    made: OffsetDateTime,
}

/// Why something is not signed.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// A key or a certificate.
    #[error("the authority can't sign: {0}")]
    Sign(#[from] rcgen::Error),
    /// An encoding.
    #[error("an answer can't be encoded: {0}")]
    Encode(#[from] der::Error),
    /// What it was given.
    #[error("the authority's certificate and key are not usable: {0}")]
    Unusable(String),
}

impl Office {
    /// With what a service gets that speaks for the authority of the lab of this name.
    ///
    /// # Errors
    /// The certificate or the key can't be read.
    pub fn open(
        lab: &str,
        root: CertificateDer<'static>,
        authority: Authority,
    ) -> Result<Self, OfficeError> {
        let unusable = |error: &dyn std::fmt::Display| OfficeError::Unusable(error.to_string());
        let issuing = authority.issuing.chain.first();
        let issuing = issuing.ok_or_else(|| unusable(&"there is none"))?.clone();
        let (_, read) = X509Certificate::from_der(&issuing).map_err(|error| unusable(&error))?;
        let subject = read.subject().as_raw().to_vec();
        let key_bits = read.public_key().subject_public_key.data.to_vec();
        let key = KeyPair::try_from(&authority.issuing.key)?;
        Ok(Self {
            lab: lab.to_owned(),
            root,
            root_list: authority.root_list,
            subject,
            key_bits,
            issuer: Issuer::from_ca_cert_der(&issuing, key)?,
            issuing,
            issued: authority.issued,
            made: Mutex::default(),
        })
    }

    /// The list of what is revoked now. A new one is signed when that changed, or half the time of
    /// the last one is over.
    ///
    /// # Errors
    /// It can't be signed.
    pub fn list(&self) -> Result<SignedList, OfficeError> {
        let now = OffsetDateTime::now_utc();
        let revoked: Vec<(Vec<u8>, i64)> = self
            .issued
            .borrow()
            .iter()
            .filter_map(|one| Some((one.serial.clone(), one.revoked?)))
            .collect();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let last = made.list.as_ref();
        if let Some(last) = last.filter(|last| last.revoked == revoked && is_young(last.made, now))
        {
            return Ok(last.clone());
        }
        let number = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let number = number.max(last.map_or(0, |last| last.number + 1));
        let params = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update: now + LIFE,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|(serial, since)| RevokedCertParams {
                    serial_number: SerialNumber::from_slice(serial),
                    revocation_time: OffsetDateTime::from_unix_timestamp(*since).unwrap_or(now),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = SignedList {
            der: params.signed_by(&self.issuer)?.der().to_vec(),
            number,
            made: now,
            revoked,
        };
        made.list = Some(list.clone());
        Ok(list)
    }

    /// The answer to a question, DER.
    ///
    /// # Errors
    /// It can't be signed.
    pub fn answer(&self, question: &Question) -> Result<Vec<u8>, OfficeError> {
        let now = OffsetDateTime::now_utc();
        let next = generalized(now + LIFE)?;
        let by_serial: HashMap<&[u8], Option<i64>>;
        let issued = self.issued.borrow();
        by_serial = issued
            .iter()
            .map(|one| (one.serial.as_slice(), one.revoked))
            .collect();
        let responses = question.certificates.iter().map(|id| {
            Ok(SingleResponse {
                cert_id: id.clone(),
                cert_status: self.status(id, &by_serial)?,
                this_update: generalized(now)?,
                next_update: Some(next),
                single_extensions: None,
            })
        });
        let responses = responses.collect::<Result<Vec<_>, OfficeError>>()?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let responder = match made.responder.take() {
            Some(responder) if is_young(responder.made, now) => responder,
            _ => self.delegate(now)?,
        };
        let responder = made.responder.insert(responder);
        let data = ResponseData {
            version: Version::V1,
            responder_id: responder.id.clone(),
            produced_at: generalized(now)?,
            responses,
            response_extensions: question.nonce.clone().map(|nonce| vec![nonce]),
        };
        let signature = responder.key.sign(&data.to_der()?)?;
        let basic = BasicOcspResponse {
            tbs_response_data: data,
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: ECDSA_WITH_SHA256,
                parameters: None,
            },
            signature: BitString::from_bytes(&signature)?,
            certs: Some(vec![responder.certificate.clone()]),
        };
        Ok(OcspResponse::successful(basic)?.to_der()?)
    }

    /// Good only for what was issued (RFC 6960 §2.2).
    fn status(
        &self,
        id: &CertId,
        issued: &HashMap<&[u8], Option<i64>>,
    ) -> Result<CertStatus, OfficeError> {
        let asked = id.hash_algorithm.oid.to_string();
        let hash = HASHES.iter().find(|(oid, _)| *oid == asked);
        let is_ours = hash.is_some_and(|(_, hash)| {
            digest(hash, &self.subject).as_ref() == id.issuer_name_hash.as_bytes()
                && digest(hash, &self.key_bits).as_ref() == id.issuer_key_hash.as_bytes()
        });
        if !is_ours {
            return Ok(CertStatus::unknown());
        }
        let serial = id.serial_number.as_bytes();
        let zeros = serial.iter().take_while(|byte| **byte == 0).count();
        Ok(match issued.get(&serial[zeros..]) {
            None => CertStatus::unknown(),
            Some(None) => CertStatus::good(),
            Some(Some(since)) => CertStatus::revoked(RevokedInfo {
                revocation_time: generalized(
                    OffsetDateTime::from_unix_timestamp(*since).unwrap_or(UNIX_EPOCH.into()),
                )?,
                revocation_reason: None,
            }),
        })
    }

    /// A responder with a key of its own: the authority's is used for certificates and lists.
    fn delegate(&self, now: OffsetDateTime) -> Result<Responder, OfficeError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{} OCSP Responder", self.lab));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![CustomExtension::from_oid_content(&NO_CHECK, NULL.into())];
        params.not_before = now - BACKDATED;
        params.not_after = now + RESPONDER_LIFE;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let certificate = Certificate::from_der(certificate.der())?;
        let bits = certificate
            .tbs_certificate
            .subject_public_key_info
            .subject_public_key
            .raw_bytes();
        let hash = digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bits);
        Ok(Responder {
            id: ResponderId::ByKey(OctetString::new(hash.as_ref())?),
            certificate,
            key,
            made: now,
        })
    }
}

/// Made less than half a life ago, and not in the future: the clock may have been set.
fn is_young(made: OffsetDateTime, now: OffsetDateTime) -> bool {
    made <= now && now < made + LIFE / 2
}

fn generalized(moment: OffsetDateTime) -> Result<OcspGeneralizedTime, OfficeError> {
    let since = SystemTime::from(moment).duration_since(UNIX_EPOCH);
    let time = GeneralizedTime::from_unix_duration(since.unwrap_or_default())?;
    Ok(OcspGeneralizedTime(time))
}
