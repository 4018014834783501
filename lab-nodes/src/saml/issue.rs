//! Tokens that are made: small, so they come from templates.

use std::collections::BTreeMap;
use std::time::Duration;

use super::instant::Instant;
use super::namespace::{PROTOCOL, SAML11, SAML20};
use super::sign::{SignError, Signer};

/// Which kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// SAML 1.1.
    V11,
    /// SAML 2.0.
    V20,
}

/// How far back the validity of a token begins: clocks of those who read it may lag.
const BACKDATED: Duration = Duration::from_secs(60);

/// What shall stand in a token.
#[derive(Clone, Debug)]
pub struct Issue<'i> {
    /// Which kind.
    pub version: Version,
    /// Its id, from [`super::random_id`].
    pub id: &'i str,
    /// Who issues it.
    pub issuer: &'i str,
    /// Whom it is for.
    pub audience: &'i str,
    /// Where it is sent to.
    pub recipient: &'i str,
    /// The request that it answers (SAML 2.0).
    pub in_response_to: Option<&'i str>,
    /// About whom it is: a mail address.
    pub subject: &'i str,
    /// Values by claim type.
    pub values: &'i BTreeMap<String, Vec<String>>,
    /// When they logged in.
    pub authenticated: Instant,
    /// Now.
    pub now: Instant,
    /// How long it is valid.
    pub lifetime: Duration,
}

impl Issue<'_> {
    /// Makes the token and signs it.
    ///
    /// # Errors
    /// What the signer says.
    pub fn signed(&self, signer: &Signer) -> Result<String, SignError> {
        let skeleton = signer.skeleton(self.id);
        signer.sign(match self.version {
            Version::V11 => self.v11(&skeleton),
            Version::V20 => self.v20(&skeleton),
        })
    }

    /// When it ends.
    pub fn until(&self) -> Instant {
        self.now.after(self.lifetime)
    }

    fn v11(&self, signature: &str) -> String {
        let attributes: String = self
            .values
            .iter()
            .map(|(kind, values)| {
                // SAML 1.1 has the last part of a claim type as the name, the rest as its namespace.
                let (namespace, name) = kind.rsplit_once('/').unwrap_or(("", kind));
                format!(
                    "<saml:Attribute AttributeName=\"{}\" AttributeNamespace=\"{}\">{}</saml:Attribute>",
                    escape(name),
                    escape(namespace),
                    each(values, "saml:AttributeValue")
                )
            })
            .collect();
        let subject = format!(
            "<saml:Subject><saml:NameIdentifier \
             Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">{}</saml:NameIdentifier>\
             <saml:SubjectConfirmation><saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer\
             </saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>",
            escape(self.subject)
        );
        let attributes = if attributes.is_empty() {
            attributes
        } else {
            format!("<saml:AttributeStatement>{subject}{attributes}</saml:AttributeStatement>")
        };
        format!(
            "<saml:Assertion xmlns:saml=\"{SAML11}\" MajorVersion=\"1\" MinorVersion=\"1\" \
             AssertionID=\"{id}\" Issuer=\"{issuer}\" IssueInstant=\"{now}\">\
             <saml:Conditions NotBefore=\"{not_before}\" NotOnOrAfter=\"{until}\">\
             <saml:AudienceRestrictionCondition><saml:Audience>{audience}</saml:Audience>\
             </saml:AudienceRestrictionCondition></saml:Conditions>{attributes}\
             <saml:AuthenticationStatement \
             AuthenticationMethod=\"urn:oasis:names:tc:SAML:1.0:am:password\" \
             AuthenticationInstant=\"{authenticated}\">{subject}</saml:AuthenticationStatement>\
             {signature}</saml:Assertion>",
            id = self.id,
            issuer = escape(self.issuer),
            now = self.now,
            not_before = self.now.before(BACKDATED),
            until = self.until(),
            audience = escape(self.audience),
            authenticated = self.authenticated,
        )
    }

    fn v20(&self, signature: &str) -> String {
        let attributes: String = self
            .values
            .iter()
            .map(|(kind, values)| {
                format!(
                    "<saml:Attribute Name=\"{}\" \
                     NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:uri\">{}</saml:Attribute>",
                    escape(kind),
                    each(values, "saml:AttributeValue")
                )
            })
            .collect();
        let attributes = if attributes.is_empty() {
            attributes
        } else {
            format!("<saml:AttributeStatement>{attributes}</saml:AttributeStatement>")
        };
        format!(
            "<saml:Assertion xmlns:saml=\"{SAML20}\" Version=\"2.0\" ID=\"{id}\" \
             IssueInstant=\"{now}\"><saml:Issuer>{issuer}</saml:Issuer>{signature}\
             <saml:Subject><saml:NameID \
             Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">{subject}</saml:NameID>\
             <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
             <saml:SubjectConfirmationData Recipient=\"{recipient}\" NotOnOrAfter=\"{until}\"{answers}/>\
             </saml:SubjectConfirmation></saml:Subject>\
             <saml:Conditions NotBefore=\"{not_before}\" NotOnOrAfter=\"{until}\">\
             <saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience>\
             </saml:AudienceRestriction></saml:Conditions>\
             <saml:AuthnStatement AuthnInstant=\"{authenticated}\" SessionIndex=\"{id}\">\
             <saml:AuthnContext><saml:AuthnContextClassRef>\
             urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport\
             </saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>\
             {attributes}</saml:Assertion>",
            id = self.id,
            now = self.now,
            issuer = escape(self.issuer),
            subject = escape(self.subject),
            recipient = escape(self.recipient),
            answers = answers(self.in_response_to),
            not_before = self.now.before(BACKDATED),
            until = self.until(),
            audience = escape(self.audience),
            authenticated = self.authenticated,
        )
    }
}

/// The answer of the Web SSO profile, around an assertion.
///
/// # Errors
/// The kernel has no random numbers.
pub fn response(issue: &Issue<'_>, assertion: &str) -> Result<String, SignError> {
    Ok(format!(
        "<samlp:Response xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{SAML20}\" ID=\"{id}\" \
         Version=\"2.0\" IssueInstant=\"{now}\" Destination=\"{recipient}\"{answers}>\
         <saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>{assertion}</samlp:Response>",
        id = super::random_id()?,
        now = issue.now,
        recipient = escape(issue.recipient),
        answers = answers(issue.in_response_to),
        issuer = escape(issue.issuer),
    ))
}

/// The answer that brings no assertion, because nobody may be asked and nobody is logged in.
///
/// # Errors
/// The kernel has no random numbers.
pub fn no_passive(
    issuer: &str,
    recipient: &str,
    request: &str,
    now: Instant,
) -> Result<String, SignError> {
    Ok(format!(
        "<samlp:Response xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{SAML20}\" ID=\"{id}\" \
         Version=\"2.0\" IssueInstant=\"{now}\" Destination=\"{recipient}\"{answers}>\
         <saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:NoPassive\"/></samlp:StatusCode>\
         </samlp:Status></samlp:Response>",
        id = super::random_id()?,
        recipient = escape(recipient),
        answers = answers(Some(request)),
        issuer = escape(issuer),
    ))
}

fn answers(request: Option<&str>) -> String {
    request
        .map(|id| format!(" InResponseTo=\"{}\"", escape(id)))
        .unwrap_or_default()
}

fn each(values: &[String], element: &str) -> String {
    values
        .iter()
        .map(|value| format!("<{element}>{}</{element}>", escape(value)))
        .collect()
}

/// Text as it may stand in XML and HTML, in attributes, too. What XML cannot hold is left out.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(character))),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {}
            other => escaped.push(other),
        }
    }
    escaped
}
