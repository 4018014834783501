//! Reading and verifying a token.

use std::time::Duration;

use bergshamra::xml::uppsala::Document;
use rustls::pki_types::CertificateDer;

use super::claims::Claims;
use super::document::{attribute, child, is, parse, the};
use super::instant::Instant;
use super::namespace::PROTOCOL;
use super::read::{find, read};
use super::refusal::Refusal;
use super::signature;
use super::trust::SignedBy;

/// The status of a response that brings a token.
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// What a token must be for whoever reads it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// Issuers that are trusted, each with whom it signs by.
    pub trusted: &'e [(&'e str, &'e SignedBy)],
    /// Roots of the lab's CA, for [`SignedBy::Named`].
    pub roots: &'e [CertificateDer<'static>],
    /// Whom it must be for.
    pub audience: &'e str,
    /// Where it was sent to; a token of SAML 2.0 says that, too.
    pub recipient: &'e str,
    /// The request that it must answer, where it says that it answers one.
    pub in_response_to: Option<&'e str>,
    /// Now.
    pub now: Instant,
    /// How far clocks may differ.
    pub skew: Duration,
}

/// Reads the token in a document (an assertion, a WS-Trust response or a SAML response), and
/// verifies everything that can be known of it without a memory: whether it was used before is for
/// the caller to find out, by [`Claims::token`].
///
/// # Errors
/// Why it is refused.
pub fn verify(xml: &str, expected: &Expected<'_>) -> Result<Claims, Refusal> {
    let document = parse(xml)?;
    brought(&document, expected)?;
    let found = find(&document)?;
    let by = expected
        .trusted
        .iter()
        .find(|(issuer, _)| *issuer == found.issuer)
        .map(|(_, by)| *by)
        .ok_or_else(|| Refusal::Issuer(found.issuer.chars().take(200).collect()))?;
    signature::verify(
        &document,
        xml,
        found.node,
        &found.id,
        by,
        expected.roots,
        expected.now,
    )?;
    let said = read(&document, &found)?;
    let (early, late) = (
        expected.now.after(expected.skew),
        expected.now.before(expected.skew),
    );
    if let Some(not_before) = said.not_before.filter(|begin| *begin > early) {
        return Err(Refusal::NotYet(not_before.to_string()));
    }
    let ends = said
        .deliver_until
        .map_or(said.until, |until| until.min(said.until));
    if ends <= late {
        return Err(Refusal::Expired(ends.to_string()));
    }
    if said.authenticated > early {
        return Err(Refusal::NotYet(said.authenticated.to_string()));
    }
    // A restriction that is not there restricts nothing; a token that anybody may use is none.
    let fits = |audiences: &Vec<String>| audiences.iter().any(|one| one == expected.audience);
    if said.audiences.is_empty() || !said.audiences.iter().all(fits) {
        let whom = said.audiences.concat().join(", ");
        let whom = if whom.is_empty() {
            "nobody".to_owned()
        } else {
            whom
        };
        return Err(Refusal::Audience(whom.chars().take(200).collect()));
    }
    if let Some(other) = said.recipient.filter(|one| one != expected.recipient) {
        return Err(Refusal::Recipient(other.chars().take(200).collect()));
    }
    if said.in_response_to.as_deref() != expected.in_response_to && said.in_response_to.is_some() {
        return Err(Refusal::Authentication(
            "it answers another request".to_owned(),
        ));
    }
    Ok(Claims {
        issuer: found.issuer,
        subject: said.subject,
        values: said.values,
        token: found.id,
        authenticated: said.authenticated,
        until: ends,
    })
}

/// What a response says of itself, outside its assertion.
fn brought(document: &Document<'_>, expected: &Expected<'_>) -> Result<(), Refusal> {
    let root = document.document_element();
    let Some(root) = root.filter(|root| is(document, *root, PROTOCOL, "Response")) else {
        return Ok(());
    };
    let status = the(document, root, PROTOCOL, "Status")?;
    let code = the(document, status, PROTOCOL, "StatusCode")?;
    let value = attribute(document, code, "Value").unwrap_or_default();
    if value != SUCCESS {
        let inner = child(document, code, PROTOCOL, "StatusCode")?;
        let inner = inner.and_then(|inner| attribute(document, inner, "Value"));
        return Err(Refusal::Status(
            inner.unwrap_or(value).chars().take(200).collect(),
        ));
    }
    match attribute(document, root, "Destination") {
        Some(other) if other != expected.recipient => {
            Err(Refusal::Recipient(other.chars().take(200).collect()))
        }
        _ => Ok(()),
    }
}
