//! The lab's certificate authority: a root that nodes trust, and an issuing CA below it that
//! signs every certificate. Keys are ECDSA P-256. Root and issuing CA stay in the lab's state
//! folder, so that a browser told to trust them does so after the next `up`.

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};

use super::messages::CredentialPem;
use crate::plan::CertificatePlan;
use crate::service::Secret;

/// Life of the root and the issuing CA.
const CA_LIFE: Duration = Duration::days(3650);
/// Life of a server's certificate: what browsers accept.
const LEAF_LIFE: Duration = Duration::days(397);
/// Everything is valid since yesterday: clocks of clients may lag.
const BACKDATED: Duration = Duration::days(1);
/// A CA with less than this left is made anew.
const CA_RESERVE: Duration = Duration::days(400);

/// The authority of one lab.
pub(super) struct Authority {
    /// Root certificate, PEM.
    pub root: String,
    /// OpenSSL's hash of its subject.
    pub root_hash: String,
    issuing: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the authority from the lab's state folder, or makes it and writes it there.
    ///
    /// # Errors
    /// The folder can't be written; what is there and unreadable is replaced.
    pub fn open(state: &Path, lab: &str) -> io::Result<Self> {
        match Self::read(state, lab) {
            Some(authority) => Ok(authority),
            None => Self::make(state, lab),
        }
    }

    fn read(state: &Path, lab: &str) -> Option<Self> {
        let text = |name: &str| std::fs::read_to_string(file(state, name)).ok();
        let (root, issuing) = (text("root-ca.crt")?, text("issuing-ca.crt")?);
        let key = KeyPair::from_pem(&text("issuing-ca.key")?).ok()?;
        // What was cut off, or is another lab's, would make certificates that nobody trusts.
        let (_, above) = x509_parser::pem::parse_x509_pem(root.as_bytes()).ok()?;
        let (_, below) = x509_parser::pem::parse_x509_pem(issuing.as_bytes()).ok()?;
        let (above, below) = (above.parse_x509().ok()?, below.parse_x509().ok()?);
        below.verify_signature(Some(above.public_key())).ok()?;
        if below.public_key().raw != key.subject_public_key_info() {
            return None;
        }
        let now = OffsetDateTime::now_utc();
        let (begin, end) = (below.validity().not_before, below.validity().not_after);
        // Made while the clock went wrong, or old.
        if begin.to_datetime() > now || end.to_datetime() < now + CA_RESERVE {
            return None;
        }
        let issuer = Issuer::from_ca_cert_pem(&issuing, key).ok()?;
        Some(Self {
            root,
            root_hash: subject_hash(lab),
            issuing,
            issuer,
        })
    }

    fn make(state: &Path, lab: &str) -> io::Result<Self> {
        Self::make_at(state, lab, OffsetDateTime::now_utc())
    }

    fn make_at(state: &Path, lab: &str, now: OffsetDateTime) -> io::Result<Self> {
        let root_key = KeyPair::generate().map_err(io::Error::other)?;
        let root_params = ca_params(&root_name(lab), 1, now);
        let root = root_params
            .self_signed(&root_key)
            .map_err(io::Error::other)?;
        let root_issuer = Issuer::from_params(&root_params, &root_key);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = ca_params(&format!("{lab} Issuing CA"), 0, now);
        let issuing = params
            .signed_by(&key, &root_issuer)
            .map_err(io::Error::other)?;
        write(state, "root-ca.key", 0o600, &root_key.serialize_pem())?;
        write(state, "root-ca.crt", 0o644, &root.pem())?;
        write(state, "issuing-ca.key", 0o600, &key.serialize_pem())?;
        write(state, "issuing-ca.crt", 0o644, &issuing.pem())?;
        Ok(Self {
            root: root.pem(),
            root_hash: subject_hash(lab),
            issuing: issuing.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The root, as health checks trust it.
    ///
    /// # Errors
    /// The file in the state folder is no certificate.
    pub fn trust(&self) -> io::Result<Vec<CertificateDer<'static>>> {
        CertificateDer::pem_slice_iter(self.root.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)
    }

    /// The secret of that name. It stems from the issuing CA's key: who has that can show any
    /// certificate of the lab anyway.
    pub fn secret(&self, name: &str) -> Secret {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.issuer.key().serialized_der());
        let tag = ring::hmac::sign(&key, format!("tierlab secret\0{name}").as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Secret::new(bytes)
    }

    /// Makes a key and signs its certificate.
    ///
    /// # Errors
    /// A name that can't stand in a certificate.
    pub fn issue(&self, plan: &CertificatePlan) -> io::Result<CredentialPem> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, plan.subject.as_str());
        for name in &plan.names {
            let name = name.as_str().try_into().map_err(io::Error::other)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.extend(
            plan.addresses
                .iter()
                .map(|ip: &IpAddr| SanType::IpAddress(*ip)),
        );
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, LEAF_LIFE, OffsetDateTime::now_utc());
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        Ok(CredentialPem {
            chain: certificate.pem() + &self.issuing,
            key: key.serialize_pem(),
        })
    }
}

fn root_name(lab: &str) -> String {
    format!("{lab} Root CA")
}

fn ca_params(name: &str, below: u8, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, CA_LIFE, now);
    params
}

fn set_life(params: &mut CertificateParams, life: Duration, now: OffsetDateTime) {
    params.not_before = now - BACKDATED;
    params.not_after = now + life;
}

fn file(state: &Path, name: &str) -> PathBuf {
    state.join(name)
}

fn write(state: &Path, name: &str, mode: u32, text: &str) -> io::Result<()> {
    let path = file(state, name);
    let _ = std::fs::remove_file(&path);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

/// The name under which OpenSSL looks for the root in a folder of certificates: the first four
/// bytes, little-endian, of the SHA-1 of the subject's canonical form (lower case, UTF8String,
/// without the outer SEQUENCE).
fn subject_hash(lab: &str) -> String {
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

/// DER with a length below 128: a lab's name has 32 characters at most.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, content.len() as u8];
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let path = std::env::temp_dir().join(format!(
            "tierlab-pki-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn openssl(arguments: &[&str]) -> String {
        let output = std::process::Command::new("openssl")
            .args(arguments)
            .output()
            .expect("openssl (package openssl) must be installed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn openssl_agrees_on_the_hash_and_verifies_the_chain() {
        let state = folder();
        let authority = Authority::open(&state, "Con  toso").unwrap();
        let root = state.join("root-ca.crt");
        let hash = openssl(&[
            "x509",
            "-noout",
            "-subject_hash",
            "-in",
            root.to_str().unwrap(),
        ]);
        assert_eq!(hash.trim(), authority.root_hash);
        let plan = CertificatePlan {
            id: "node".into(),
            subject: "web.example".into(),
            names: vec!["web.example".into()],
            addresses: vec!["10.0.0.1".parse().unwrap()],
        };
        let credential = authority.issue(&plan).unwrap();
        let leaf = state.join("leaf.crt");
        std::fs::write(&leaf, &credential.chain).unwrap();
        let leaf = leaf.to_str().unwrap();
        openssl(&[
            "verify",
            "-x509_strict",
            "-verify_hostname",
            "web.example",
            "-CAfile",
            root.to_str().unwrap(),
            "-untrusted",
            leaf,
            leaf,
        ]);
        // The same authority is found again.
        let again = Authority::open(&state, "Con  toso").unwrap();
        assert_eq!(again.root, authority.root);
        std::fs::remove_dir_all(state).unwrap();
    }

    #[test]
    fn an_authority_of_another_time_is_made_anew() {
        let state = folder();
        let now = OffsetDateTime::now_utc();
        for (made, lasts) in [
            (now, true),
            (now + Duration::days(30), false),
            (now - Duration::days(3300), false),
        ] {
            let before = Authority::make_at(&state, "lab", made).unwrap();
            let found = Authority::open(&state, "lab").unwrap();
            assert_eq!(found.root == before.root, lasts, "made at {made}");
        }
        std::fs::remove_dir_all(state).unwrap();
    }

    #[test]
    fn an_authority_whose_parts_do_not_fit_is_made_anew() {
        let (state, other) = (folder(), folder().join("other"));
        std::fs::create_dir_all(&other).unwrap();
        Authority::open(&other, "lab").unwrap();
        for name in ["root-ca.crt", "issuing-ca.crt", "issuing-ca.key"] {
            let stranger = std::fs::read(other.join(name)).unwrap();
            for bytes in [
                &stranger[..],
                &stranger[..stranger.len() / 2],
                b"",
                b"\xff\0",
            ] {
                let before = Authority::open(&state, "lab").unwrap();
                std::fs::write(state.join(name), bytes).unwrap();
                let found = Authority::open(&state, "lab").unwrap();
                assert_ne!(found.root, before.root, "{name}: {} bytes", bytes.len());
                found.trust().unwrap();
            }
        }
        std::fs::remove_dir_all(state).unwrap();
    }
}
