//! What a service provider asks for (SAML 2.0, Web SSO profile).

use data_encoding::BASE64;

use super::document::{LONGEST, attribute, child, is, parse, text};
use super::namespace::{PROTOCOL, SAML20};
use super::refusal::Refusal;

/// Longest id that is given back, in bytes.
const LONGEST_ID: usize = 256;

/// An AuthnRequest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthnRequest {
    /// Its id.
    pub id: String,
    /// Who asks.
    pub issuer: String,
    /// Where the answer shall go; where not said, the provider knows.
    pub reply: Option<String>,
    /// A login is asked for even from those who have a session.
    pub force: bool,
    /// Nobody may be asked for anything.
    pub passive: bool,
}

impl AuthnRequest {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn read(xml: &str) -> Result<Self, Refusal> {
        let malformed = |what: &str| Refusal::Malformed(what.to_owned());
        let document = parse(xml)?;
        let root = document
            .document_element()
            .filter(|root| is(&document, *root, PROTOCOL, "AuthnRequest"))
            .ok_or_else(|| malformed("it is no AuthnRequest"))?;
        let of = |name| attribute(&document, root, name);
        if of("Version") != Some("2.0") {
            return Err(malformed("it is not of version 2.0"));
        }
        let id = of("ID").filter(|id| (1..=LONGEST_ID).contains(&id.len()));
        let issuer = child(&document, root, SAML20, "Issuer")?
            .ok_or_else(|| malformed("it does not say who asks"))?;
        let yes = |name| matches!(of(name), Some("true" | "1"));
        Ok(Self {
            id: id.ok_or_else(|| malformed("it has no id"))?.to_owned(),
            issuer: text(&document, issuer)?,
            reply: of("AssertionConsumerServiceURL").map(str::to_owned),
            force: yes("ForceAuthn"),
            passive: yes("IsPassive"),
        })
    }
}

/// A message as the redirect binding has it in a URL: compressed (RFC 1951), in Base64
/// (saml-bindings-2.0 §3.4.4.1).
///
/// # Errors
/// It is no such thing, or too long.
pub fn inflated(encoded: &str) -> Result<String, Refusal> {
    let malformed = |what: &str| Refusal::Malformed(what.to_owned());
    let bytes = BASE64
        .decode(encoded.as_bytes())
        .map_err(|_| malformed("it is not Base64"))?;
    let text = miniz_oxide::inflate::decompress_to_vec_with_limit(&bytes, LONGEST)
        .map_err(|_| malformed("it is not compressed as it should be, or too long"))?;
    String::from_utf8(text).map_err(|_| malformed("it is not UTF-8"))
}
