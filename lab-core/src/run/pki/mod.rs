//! The lab's certificate authority: a root that nodes trust, and an issuing CA below it that
//! signs every certificate. Keys are ECDSA P-256. Root and issuing CA stay in the lab's state
//! folder, so that a browser told to trust them does so after the next `up`.
//!
//! - `profile`: what stands in certificates (RFC 5280);
//! - `ledger`: what was issued in this run of the lab.
//!
//! The root's key never leaves the state folder. The issuing CA's goes to those services that ask
//! to speak for it, and nowhere else: they sign revocation lists and answers about single
//! certificates whenever somebody asks, which is no work for the keeper.

mod ledger;
mod profile;

use std::cell::RefCell;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair,
    PublicKeyData, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};

use super::messages::{AuthorityPem, CredentialPem};
use crate::plan::{CertificatePlan, UserCertificatePlan};
use crate::service::{Issued, Secret};
use ledger::{Asked, Ledger};
use profile::{BACKDATED, LEAF_LIFE, Published};

/// A CA with less than this left is made anew.
const CA_RESERVE: Duration = Duration::days(400);

/// The authority of one lab.
pub(super) struct Authority {
    /// Root certificate, PEM.
    pub root: String,
    /// OpenSSL's hash of its subject.
    pub root_hash: String,
    root_list: Vec<u8>,
    issuing: String,
    issuer: Issuer<'static, KeyPair>,
    published: Option<Published>,
    ledger: RefCell<Ledger>,
}

/// The root and the issuing CA, with their keys.
struct Pair {
    root: String,
    root_key: KeyPair,
    issuing: String,
    issuing_key: KeyPair,
}

impl Authority {
    /// Reads the authority from the lab's state folder, or makes it and writes it there. What is
    /// issued says that revocation is published under this URL.
    ///
    /// # Errors
    /// The folder can't be written; what is there and unreadable is replaced.
    pub fn open(state: &Path, lab: &str, published: Option<&str>) -> io::Result<Self> {
        let now = OffsetDateTime::now_utc();
        let published = published.map(Published::under);
        let pair = match Pair::read(state, now) {
            Some(mut pair) => {
                // The root stays, and with it the trust that browsers were told of.
                if !profile::says(&pair.issuing, published.as_ref()) {
                    pair.sign_issuing(lab, published.as_ref(), now)?;
                    write(state, "issuing-ca.crt", 0o644, &pair.issuing)?;
                }
                pair
            }
            None => Pair::make(state, lab, published.as_ref(), now)?,
        };
        Self::of(pair, lab, published, now).map_err(io::Error::other)
    }

    fn of(
        pair: Pair,
        lab: &str,
        published: Option<Published>,
        now: OffsetDateTime,
    ) -> Result<Self, rcgen::Error> {
        let root = Issuer::from_ca_cert_pem(&pair.root, pair.root_key)?;
        Ok(Self {
            root_list: root_list(&root, now)?,
            root: pair.root,
            root_hash: profile::subject_hash(lab),
            issuer: Issuer::from_ca_cert_pem(&pair.issuing, pair.issuing_key)?,
            issuing: pair.issuing,
            published,
            ledger: RefCell::default(),
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

    /// The URL under which revocation is published.
    pub fn published(&self) -> Option<&str> {
        self.published.as_ref().map(Published::base)
    }

    /// What a service needs that speaks for the authority.
    pub fn to_speak_for(&self) -> AuthorityPem {
        AuthorityPem {
            issuing: CredentialPem {
                chain: self.issuing.clone(),
                key: self.issuer.key().serialize_pem(),
            },
            root_list: self.root_list.clone(),
        }
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

    /// A key and its certificate for a node. A node that is born again gets the same ones.
    ///
    /// # Errors
    /// A name that can't stand in a certificate.
    pub fn issue(&self, node: &str, plan: &CertificatePlan) -> io::Result<CredentialPem> {
        self.issued_as(node, &plan.id, Asked::ForServer(plan.clone()))
    }

    /// A key and its certificate for a user.
    ///
    /// # Errors
    /// A name that can't stand in a certificate.
    pub fn issue_to_user(
        &self,
        node: &str,
        plan: &UserCertificatePlan,
    ) -> io::Result<CredentialPem> {
        self.issued_as(node, &plan.id, Asked::ForUser(plan.clone()))
    }

    fn issued_as(&self, node: &str, id: &str, asked: Asked) -> io::Result<CredentialPem> {
        let now = OffsetDateTime::now_utc();
        if let Some(known) = self.ledger.borrow().credential(node, id, &asked, now) {
            return Ok((*known).clone());
        }
        let mut params = match &asked {
            Asked::ForServer(plan) => profile::server(plan),
            Asked::ForUser(plan) => profile::user(plan),
        }
        .map_err(io::Error::other)?;
        let serial = ledger::serial()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        if let Some(published) = &self.published {
            published.write_to_leaf(&mut params);
        }
        profile::set_life(&mut params, LEAF_LIFE, now);
        let credential = Rc::new(self.sign(&params).map_err(io::Error::other)?);
        let life = (params.not_before, params.not_after);
        self.ledger
            .borrow_mut()
            .enter(node, id, asked, &serial, life, &credential);
        Ok((*credential).clone())
    }

    fn sign(&self, params: &CertificateParams) -> Result<CredentialPem, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(CredentialPem {
            chain: certificate.pem() + &self.issuing,
            key: key.serialize_pem(),
        })
    }

    /// What was issued, each certificate with the time since which `is_revoked` holds for its node
    /// and id.
    pub fn issued(&self, is_revoked: impl Fn(&str, &str) -> bool) -> Vec<Issued> {
        let now = OffsetDateTime::now_utc();
        self.ledger.borrow_mut().issued(is_revoked, now)
    }

    /// What to say when the clock stands where certificates of the lab are not valid.
    pub fn clock_trouble(&self) -> Option<String> {
        self.ledger
            .borrow()
            .clock_trouble(OffsetDateTime::now_utc())
    }
}

impl Pair {
    fn read(state: &Path, now: OffsetDateTime) -> Option<Self> {
        let text = |name: &str| std::fs::read_to_string(file(state, name)).ok();
        let pair = Self {
            root: text("root-ca.crt")?,
            root_key: KeyPair::from_pem(&text("root-ca.key")?).ok()?,
            issuing: text("issuing-ca.crt")?,
            issuing_key: KeyPair::from_pem(&text("issuing-ca.key")?).ok()?,
        };
        // What was cut off, or is another lab's, would make certificates that nobody trusts.
        let (_, above) = x509_parser::pem::parse_x509_pem(pair.root.as_bytes()).ok()?;
        let (_, below) = x509_parser::pem::parse_x509_pem(pair.issuing.as_bytes()).ok()?;
        let (above, below) = (above.parse_x509().ok()?, below.parse_x509().ok()?);
        below.verify_signature(Some(above.public_key())).ok()?;
        if above.public_key().raw != pair.root_key.subject_public_key_info()
            || below.public_key().raw != pair.issuing_key.subject_public_key_info()
        {
            return None;
        }
        // Made while the clock went wrong, or old.
        for life in [above.validity(), below.validity()] {
            if life.not_before.to_datetime() > now
                || life.not_after.to_datetime() < now + CA_RESERVE
            {
                return None;
            }
        }
        Some(pair)
    }

    fn make(
        state: &Path,
        lab: &str,
        published: Option<&Published>,
        now: OffsetDateTime,
    ) -> io::Result<Self> {
        let generate = || KeyPair::generate().map_err(io::Error::other);
        let root_key = generate()?;
        let root = profile::root(lab, now)
            .self_signed(&root_key)
            .map_err(io::Error::other)?
            .pem();
        let mut pair = Self {
            root,
            root_key,
            issuing: String::new(),
            issuing_key: generate()?,
        };
        pair.sign_issuing(lab, published, now)?;
        let (root_key, issuing_key) = (&pair.root_key, &pair.issuing_key);
        write(state, "root-ca.key", 0o600, &root_key.serialize_pem())?;
        write(state, "root-ca.crt", 0o644, &pair.root)?;
        write(state, "issuing-ca.key", 0o600, &issuing_key.serialize_pem())?;
        write(state, "issuing-ca.crt", 0o644, &pair.issuing)?;
        Ok(pair)
    }

    fn sign_issuing(
        &mut self,
        lab: &str,
        published: Option<&Published>,
        now: OffsetDateTime,
    ) -> io::Result<()> {
        let mut params = profile::issuing(lab, now);
        params.serial_number = Some(SerialNumber::from_slice(&ledger::serial()?));
        if let Some(published) = published {
            published.write_to_issuing(&mut params);
        }
        let certificate = Issuer::from_ca_cert_pem(&self.root, &self.root_key)
            .and_then(|root| params.signed_by(&self.issuing_key, &root));
        self.issuing = certificate.map_err(io::Error::other)?.pem();
        Ok(())
    }
}

/// The root has revoked nothing: there is one certificate below it, and it is made anew with the
/// root when its key is lost. The list is valid as long as a leaf: the root stays off the network,
/// and nobody there could make the next one.
fn root_list(root: &Issuer<'_, KeyPair>, now: OffsetDateTime) -> Result<Vec<u8>, rcgen::Error> {
    let number = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let params = CertificateRevocationListParams {
        this_update: now - BACKDATED,
        next_update: now + LEAF_LIFE,
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(params.signed_by(root)?.der().to_vec())
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

#[cfg(test)]
mod tests;
