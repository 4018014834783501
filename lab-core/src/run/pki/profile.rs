//! What stands in the lab's certificates (RFC 5280 §4).

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName,
    DnType, Error, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, OtherNameValue, SanType,
};
use time::{Duration, OffsetDateTime};

use crate::plan::{CertificatePlan, UserCertificatePlan};

/// Life of the root and the issuing CA.
const CA_LIFE: Duration = Duration::days(3650);
/// Life of a server's or user's certificate: what browsers accept.
pub(super) const LEAF_LIFE: Duration = Duration::days(397);
/// Everything is valid since yesterday: clocks of clients may lag.
pub(super) const BACKDATED: Duration = Duration::days(1);

/// id-pe-authorityInfoAccess (RFC 5280 §4.2.2.1).
const AUTHORITY_INFO_ACCESS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 1];
/// id-ad-ocsp, DER.
const OCSP: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
/// id-ad-caIssuers, DER.
const CA_ISSUERS: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
/// User principal name of Windows, an otherName ([MS-WCCE] §2.2.2.7.5).
const PRINCIPAL_NAME: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

/// The URL under which the authority publishes.
pub(super) struct Published(String);

impl Published {
    pub fn under(base: &str) -> Self {
        Self(base.to_owned())
    }

    pub fn base(&self) -> &str {
        &self.0
    }

    /// Where to ask about a certificate of the issuing CA.
    pub fn write_to_leaf(&self, params: &mut CertificateParams) {
        params.crl_distribution_points = vec![self.list("issuing.crl")];
        let ocsp = access(&OCSP, &format!("{}/ocsp", self.0));
        let issuer = access(&CA_ISSUERS, &format!("{}/issuing.crt", self.0));
        params
            .custom_extensions
            .push(info_access(&[ocsp, issuer].concat()));
    }

    /// Where to ask about the issuing CA.
    pub fn write_to_issuing(&self, params: &mut CertificateParams) {
        params.crl_distribution_points = vec![self.list("root.crl")];
        let issuer = access(&CA_ISSUERS, &format!("{}/root.crt", self.0));
        params.custom_extensions.push(info_access(&issuer));
    }

    fn list(&self, name: &str) -> CrlDistributionPoint {
        CrlDistributionPoint {
            uris: vec![format!("{}/{name}", self.0)],
        }
    }
}

/// Whether the issuing CA's certificate names this place and no other.
pub(super) fn says(issuing: &str, published: Option<&Published>) -> bool {
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(issuing.as_bytes()) else {
        return false;
    };
    let mut wanted = CertificateParams::default();
    if let Some(published) = published {
        published.write_to_issuing(&mut wanted);
    }
    let wanted = wanted.custom_extensions.first();
    // Both extensions are written together: the one that can be had as bytes stands for both.
    let access = x509_parser::oid_registry::OID_PKIX_AUTHORITY_INFO_ACCESS;
    let same = pem.parse_x509().map(|certificate| {
        let mut found = certificate.extensions().iter();
        let found = found.find(|extension| extension.oid == access);
        found.map(|extension| extension.value.to_vec())
            == wanted.map(|extension| extension.content().to_vec())
    });
    same.unwrap_or(false)
}

pub(super) fn root(lab: &str, now: OffsetDateTime) -> CertificateParams {
    ca(&root_name(lab), 1, now)
}

pub(super) fn issuing(lab: &str, now: OffsetDateTime) -> CertificateParams {
    ca(&format!("{lab} Issuing CA"), 0, now)
}

/// A node's or a service's certificate: it is a client of others, too.
pub(super) fn server(plan: &CertificatePlan) -> Result<CertificateParams, Error> {
    let mut params = leaf(&plan.subject);
    for name in &plan.names {
        let name = name.as_str().try_into()?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    let addresses = plan.addresses.iter();
    params
        .subject_alt_names
        .extend(addresses.map(|ip: &IpAddr| SanType::IpAddress(*ip)));
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

pub(super) fn user(plan: &UserCertificatePlan) -> Result<CertificateParams, Error> {
    let mut params = leaf(&plan.subject);
    params.subject_alt_names.push(SanType::OtherName((
        PRINCIPAL_NAME.to_vec(),
        OtherNameValue::Utf8String(plan.principal.clone()),
    )));
    if let Some(mail) = &plan.mail {
        let mail = mail.as_str().try_into()?;
        params.subject_alt_names.push(SanType::Rfc822Name(mail));
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn leaf(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn ca(name: &str, below: u8, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, CA_LIFE, now);
    params
}

pub(super) fn set_life(params: &mut CertificateParams, life: Duration, now: OffsetDateTime) {
    params.not_before = now - BACKDATED;
    params.not_after = now + life;
}

fn root_name(lab: &str) -> String {
    format!("{lab} Root CA")
}

/// The name under which OpenSSL looks for the root in a folder of certificates: the first four
/// bytes, little-endian, of the SHA-1 of the subject's canonical form (lower case, UTF8String,
/// without the outer SEQUENCE).
pub(super) fn subject_hash(lab: &str) -> String {
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let value = root_name(lab).to_lowercase();
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let string = tagged(0x0c, value.as_bytes());
    let attribute = tagged(0x30, &[&COMMON_NAME[..], &string].concat());
    let canonical = tagged(0x31, &attribute);
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &canonical);
    match digest.as_ref() {
        [a, b, c, d, ..] => format!("{:08x}", u32::from_le_bytes([*a, *b, *c, *d])),
        _ => String::new(),
    }
}

/// An AccessDescription with a URL.
fn access(method: &[u8], url: &str) -> Vec<u8> {
    let location = tagged(0x86, url.as_bytes());
    tagged(0x30, &[method, &location].concat())
}

fn info_access(descriptions: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(&AUTHORITY_INFO_ACCESS, tagged(0x30, descriptions))
}

/// DER (X.690 §8.1).
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let bytes = &bytes[long.leading_zeros() as usize / 8..];
            out.push(0x80 | bytes.len() as u8);
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}
