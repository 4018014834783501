//! Signing.

use bergshamra::{DsigContext, KeysManager};
use data_encoding::{BASE64, HEXLOWER};
use lab_core::service::Credential;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::PrivateKeyDer;

use super::algorithm::{ECDSA_SHA256, ENVELOPED, EXC_C14N, RSA_SHA256, SHA256};
use super::namespace::DSIG;

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token cannot be signed: {0}")]
pub struct SignError(String);

/// A key that signs, with its certificates. The lab's keys are ECDSA P-256, as the certificates of
/// all nodes: making one takes a fraction of a millisecond, an RSA key a tenth of a second and more.
pub struct Signer {
    context: DsigContext,
    algorithm: &'static str,
    certificates: Vec<String>,
}

impl Signer {
    /// From a certificate and its key.
    ///
    /// # Errors
    /// The key is neither RSA nor ECDSA.
    pub fn new(credential: &Credential) -> Result<Self, SignError> {
        let kind = match &credential.key {
            PrivateKeyDer::Pkcs8(_) => "PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            _ => return Err(SignError("its key is of an unknown kind".to_owned())),
        };
        let pem = pem(kind, credential.key.secret_der());
        let key = bergshamra::keys::loader::load_pem_auto(pem.as_bytes(), None)
            .map_err(|error| SignError(error.to_string()))?;
        let algorithm = if key.algorithm_name() == "RSA" {
            RSA_SHA256
        } else {
            ECDSA_SHA256
        };
        let mut keys = KeysManager::new();
        keys.add_key(key);
        Ok(Self {
            context: DsigContext::new(keys),
            algorithm,
            certificates: credential
                .chain
                .iter()
                .map(|certificate| BASE64.encode(certificate))
                .collect(),
        })
    }

    /// The certificates, leaf first, in Base64.
    pub fn certificates(&self) -> &[String] {
        &self.certificates
    }

    /// Signs a document that has [`Self::skeleton`] in it.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn sign(&self, template: String) -> Result<String, SignError> {
        bergshamra::dsig::sign::sign_owned(&self.context, template)
            .map_err(|error| SignError(error.to_string()))
    }

    /// A signature of the element that has this id, still without values.
    pub fn skeleton(&self, id: &str) -> String {
        let certificates: String = self
            .certificates
            .iter()
            .map(|one| format!("<ds:X509Certificate>{one}</ds:X509Certificate>"))
            .collect();
        format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm=\"{EXC_C14N}\"/>\
             <ds:SignatureMethod Algorithm=\"{}\"/>\
             <ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{ENVELOPED}\"/><ds:Transform Algorithm=\"{EXC_C14N}\"/>\
             </ds:Transforms><ds:DigestMethod Algorithm=\"{SHA256}\"/><ds:DigestValue/>\
             </ds:Reference></ds:SignedInfo><ds:SignatureValue/>\
             <ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>",
            self.algorithm
        )
    }
}

/// In lines of 64 characters (RFC 7468 §2).
fn pem(kind: &str, der: &[u8]) -> String {
    let encoded = BASE64.encode(der);
    let mut pem = format!("-----BEGIN {kind}-----\n");
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str(&format!("\n-----END {kind}-----\n"));
    pem
}

/// An id that was never there before: 128 random bits, in letters that an id may begin with.
///
/// # Errors
/// The kernel has no random numbers.
pub fn random_id() -> Result<String, SignError> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| SignError("the kernel gives no random numbers".to_owned()))?;
    Ok(format!("_{}", HEXLOWER.encode(&bytes)))
}
