//! What stands in an assertion.

use std::collections::BTreeMap;

use bergshamra::xml::uppsala::{Document, NodeId};

use super::document::{attribute, child, children, elements, is, text, the};
use super::instant::Instant;
use super::issue::Version;
use super::namespace::{PROTOCOL, SAML11, SAML20};
use super::refusal::Refusal;

/// WS-Trust: that of February 2005, which SharePoint 2013 and AD FS speak, and 1.3.
const TRUST: [&str; 2] = [
    "http://schemas.xmlsoap.org/ws/2005/02/trust",
    "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
];
/// Longest id, in bytes.
const LONGEST_ID: usize = 256;

/// Where a document has its assertion.
pub(super) struct Found {
    pub node: NodeId,
    pub version: Version,
    pub id: String,
    pub issuer: String,
}

/// What an assertion says, as far as it matters.
pub(super) struct Said {
    pub not_before: Option<Instant>,
    pub until: Instant,
    /// Audiences, one list a restriction: one of each must fit.
    pub audiences: Vec<Vec<String>>,
    pub subject: String,
    /// Where it was to be sent (SAML 2.0).
    pub recipient: Option<String>,
    /// Until when it was to be sent.
    pub deliver_until: Option<Instant>,
    pub in_response_to: Option<String>,
    pub authenticated: Instant,
    pub values: BTreeMap<String, Vec<String>>,
}

/// The only assertion of a document, where it must be: the document itself, in the requested token
/// of WS-Trust, or in a response.
pub(super) fn find(document: &Document<'_>) -> Result<Found, Refusal> {
    let mut assertions = elements(document);
    assertions.retain(|node| {
        let element = document.element(*node);
        element.is_some_and(|element| &*element.name.local_name == "Assertion")
    });
    let node = match assertions[..] {
        [] => return Err(malformed("there is no assertion in it")),
        [one] => one,
        _ => return Err(Refusal::Coverage("there are several assertions".to_owned())),
    };
    if !stands_well(document, node) {
        return Err(Refusal::Coverage("it stands where no token may".to_owned()));
    }
    let of = |name: &str| attribute(document, node, name).unwrap_or_default();
    let (version, id, issuer) = if is(document, node, SAML11, "Assertion") {
        if (of("MajorVersion"), of("MinorVersion")) != ("1", "1") {
            return Err(malformed("it is not of version 1.1"));
        }
        (Version::V11, of("AssertionID"), of("Issuer").to_owned())
    } else if is(document, node, SAML20, "Assertion") {
        if of("Version") != "2.0" {
            return Err(malformed("it is not of version 2.0"));
        }
        let issuer = the(document, node, SAML20, "Issuer")?;
        (Version::V20, of("ID"), text(document, issuer)?)
    } else {
        return Err(malformed("its assertion is no SAML"));
    };
    let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if id.len() > LONGEST_ID || !id.bytes().next().is_some_and(begins) || !id.bytes().all(goes_on) {
        return Err(malformed("it has no id, or a strange one"));
    }
    Ok(Found {
        node,
        version,
        id: id.to_owned(),
        issuer,
    })
}

fn stands_well(document: &Document<'_>, assertion: NodeId) -> bool {
    let root = document.document_element();
    if root == Some(assertion) {
        return true;
    }
    let Some(parent) = document.parent(assertion) else {
        return false;
    };
    if is(document, parent, PROTOCOL, "Response") {
        return root == Some(parent);
    }
    TRUST.iter().any(|trust| {
        let Some(answer) = document.parent(parent) else {
            return false;
        };
        let collection = document.parent(answer);
        is(document, parent, trust, "RequestedSecurityToken")
            && is(document, answer, trust, "RequestSecurityTokenResponse")
            && (root == Some(answer)
                || root == collection
                    && collection.is_some_and(|collection| {
                        is(
                            document,
                            collection,
                            trust,
                            "RequestSecurityTokenResponseCollection",
                        )
                    }))
    })
}

/// Reads an assertion whose signature was verified.
pub(super) fn read(document: &Document<'_>, found: &Found) -> Result<Said, Refusal> {
    match found.version {
        Version::V11 => v11(document, found.node),
        Version::V20 => v20(document, found.node),
    }
}

fn v11(document: &Document<'_>, assertion: NodeId) -> Result<Said, Refusal> {
    let conditions = the(document, assertion, SAML11, "Conditions")?;
    let login = child(document, assertion, SAML11, "AuthenticationStatement")?
        .ok_or_else(|| login("it has no AuthenticationStatement"))?;
    let mut subjects = vec![the(document, login, SAML11, "Subject")?];
    let mut values = BTreeMap::new();
    for statement in children(document, assertion, SAML11, "AttributeStatement") {
        subjects.push(the(document, statement, SAML11, "Subject")?);
        for one in children(document, statement, SAML11, "Attribute") {
            let of = |name: &str| attribute(document, one, name).unwrap_or_default();
            let (namespace, name) = (of("AttributeNamespace"), of("AttributeName"));
            let kind = if namespace.is_empty() {
                name.to_owned()
            } else {
                format!("{}/{name}", namespace.trim_end_matches('/'))
            };
            take_values(document, one, SAML11, kind, &mut values)?;
        }
    }
    let mut subject = None;
    for one in subjects {
        bearer_v11(document, one)?;
        let Some(name) = child(document, one, SAML11, "NameIdentifier")? else {
            continue;
        };
        let name = text(document, name)?;
        if subject.as_ref().is_some_and(|known| *known != name) {
            return Err(self::login("its statements are about different people"));
        }
        subject = Some(name);
    }
    Ok(Said {
        not_before: instant(document, conditions, "NotBefore")?,
        until: instant(document, conditions, "NotOnOrAfter")?
            .ok_or_else(|| malformed("it never ends"))?,
        audiences: audiences(document, conditions, SAML11, "AudienceRestrictionCondition")?,
        subject: subject_or_claim(subject, &values)?,
        recipient: None,
        deliver_until: None,
        in_response_to: None,
        authenticated: instant(document, login, "AuthenticationInstant")?
            .ok_or_else(|| self::login("it does not say when"))?,
        values,
    })
}

fn bearer_v11(document: &Document<'_>, subject: NodeId) -> Result<(), Refusal> {
    let confirmation = the(document, subject, SAML11, "SubjectConfirmation")?;
    let method = the(document, confirmation, SAML11, "ConfirmationMethod")?;
    if text(document, method)? == "urn:oasis:names:tc:SAML:1.0:cm:bearer" {
        Ok(())
    } else {
        Err(login("it is not for whoever bears it"))
    }
}

fn v20(document: &Document<'_>, assertion: NodeId) -> Result<Said, Refusal> {
    let conditions = the(document, assertion, SAML20, "Conditions")?;
    let statement = child(document, assertion, SAML20, "AuthnStatement")?
        .ok_or_else(|| login("it has no AuthnStatement"))?;
    let subject = the(document, assertion, SAML20, "Subject")?;
    let confirmation = the(document, subject, SAML20, "SubjectConfirmation")?;
    if attribute(document, confirmation, "Method") != Some("urn:oasis:names:tc:SAML:2.0:cm:bearer")
    {
        return Err(login("it is not for whoever bears it"));
    }
    let data = the(document, confirmation, SAML20, "SubjectConfirmationData")?;
    let mut values = BTreeMap::new();
    for statement in children(document, assertion, SAML20, "AttributeStatement") {
        for one in children(document, statement, SAML20, "Attribute") {
            let kind = attribute(document, one, "Name")
                .unwrap_or_default()
                .to_owned();
            take_values(document, one, SAML20, kind, &mut values)?;
        }
    }
    let name = child(document, subject, SAML20, "NameID")?;
    let name = name.map(|name| text(document, name)).transpose()?;
    Ok(Said {
        not_before: instant(document, conditions, "NotBefore")?,
        until: instant(document, conditions, "NotOnOrAfter")?
            .ok_or_else(|| malformed("it never ends"))?,
        audiences: audiences(document, conditions, SAML20, "AudienceRestriction")?,
        subject: subject_or_claim(name, &values)?,
        recipient: Some(
            attribute(document, data, "Recipient")
                .unwrap_or_default()
                .to_owned(),
        ),
        deliver_until: Some(
            instant(document, data, "NotOnOrAfter")?
                .ok_or_else(|| malformed("it may be delivered for ever"))?,
        ),
        in_response_to: attribute(document, data, "InResponseTo").map(str::to_owned),
        authenticated: instant(document, statement, "AuthnInstant")?
            .ok_or_else(|| login("it does not say when"))?,
        values,
    })
}

fn audiences(
    document: &Document<'_>,
    conditions: NodeId,
    namespace: &str,
    restriction: &str,
) -> Result<Vec<Vec<String>>, Refusal> {
    children(document, conditions, namespace, restriction)
        .into_iter()
        .map(|restriction| {
            let audiences = children(document, restriction, namespace, "Audience").into_iter();
            audiences.map(|audience| text(document, audience)).collect()
        })
        .collect()
}

fn take_values(
    document: &Document<'_>,
    of: NodeId,
    namespace: &str,
    kind: String,
    values: &mut BTreeMap<String, Vec<String>>,
) -> Result<(), Refusal> {
    let known: &mut Vec<String> = values.entry(kind).or_default();
    for value in children(document, of, namespace, "AttributeValue") {
        known.push(text(document, value)?);
    }
    Ok(())
}

/// AD FS leaves the name out where no rule gives one: then it is the mail address or the UPN.
fn subject_or_claim(
    subject: Option<String>,
    values: &BTreeMap<String, Vec<String>>,
) -> Result<String, Refusal> {
    let claim = |kind| {
        values
            .get(kind)
            .and_then(|values: &Vec<String>| values.first())
            .cloned()
    };
    subject
        .or_else(|| claim(super::claim_types::EMAIL))
        .or_else(|| claim(super::claim_types::UPN))
        .filter(|name| !name.is_empty())
        .ok_or_else(|| login("it names nobody"))
}

fn instant(document: &Document<'_>, node: NodeId, name: &str) -> Result<Option<Instant>, Refusal> {
    attribute(document, node, name)
        .map(|text| Instant::read(text).ok_or_else(|| malformed(&format!("{name} is no time"))))
        .transpose()
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(what.to_owned())
}

fn login(what: &str) -> Refusal {
    Refusal::Authentication(what.to_owned())
}
