//! The signature of an assertion: that there is one, that it is this assertion's and covers all of
//! it and nothing else, that its algorithms are accepted, and that it was made with the trusted key.

use bergshamra::xml::uppsala::{Document, NodeId};
use bergshamra::{DsigContext, KeysManager, VerifyResult};
use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;

use super::algorithm::{DIGESTS, ENVELOPED, EXC_C14N, SIGNATURES};
use super::document::{attribute, child, children, elements, is, text, the};
use super::instant::Instant;
use super::namespace::DSIG;
use super::refusal::Refusal;
use super::trust::SignedBy;

/// Attributes that are ids, in SAML and XML signatures.
const IDS: [&str; 6] = ["Id", "ID", "id", "AssertionID", "ResponseID", "RequestID"];
/// Most certificates that a token may show.
const MOST_CERTIFICATES: usize = 8;

/// Verifies that the assertion is signed by whom it must be.
pub(super) fn verify(
    document: &Document<'_>,
    xml: &str,
    assertion: NodeId,
    id: &str,
    by: &SignedBy,
    roots: &[CertificateDer<'_>],
    now: Instant,
) -> Result<(), Refusal> {
    let signature = the_signature(document, assertion)?;
    only_one(document, id)?;
    let shown = check(document, signature, id)?;
    let certificate = by.certificate(&shown, roots, now)?;
    let key = bergshamra::keys::loader::load_x509_cert_der(certificate)
        .map_err(|_| Refusal::Signer(by.whom()))?;
    let mut keys = KeysManager::new();
    keys.add_key(key);
    let mut context = DsigContext::new(keys);
    // Those that it does not take for ids by itself.
    for name in ["ResponseID", "RequestID"] {
        context.add_id_attr(name);
    }
    let verified =
        bergshamra::dsig::verify::verify_document_with_source(&context, document, Some(xml));
    match verified {
        Ok(VerifyResult::Valid {
            signature_node,
            references,
            ..
        }) if signature_node == signature
            && references.len() == 1
            && references
                .iter()
                .all(|one| one.digest_verified && one.resolved_node == Some(assertion)) =>
        {
            Ok(())
        }
        Ok(_) => Err(Refusal::Signature),
        Err(error) => {
            tracing::debug!("a signature could not be verified: {error}");
            Err(Refusal::Signature)
        }
    }
}

/// The only signature of the document, which stands in the assertion itself.
fn the_signature(document: &Document<'_>, assertion: NodeId) -> Result<NodeId, Refusal> {
    let mut signatures = elements(document);
    signatures.retain(|node| is(document, *node, DSIG, "Signature"));
    match signatures[..] {
        [] => Err(Refusal::Unsigned),
        [signature] if document.parent(signature) == Some(assertion) => Ok(signature),
        [_] => Err(coverage("it stands elsewhere")),
        _ => Err(coverage("there are several signatures")),
    }
}

/// Nothing else in the document has the assertion's id.
fn only_one(document: &Document<'_>, id: &str) -> Result<(), Refusal> {
    let mut same = 0;
    for node in elements(document) {
        let attributes = document
            .element(node)
            .map(|element| &element.attributes[..]);
        for attribute in attributes.unwrap_or_default() {
            let is_id = attribute.name.local_name.eq_ignore_ascii_case("id")
                || IDS.contains(&&*attribute.name.local_name);
            if is_id && &*attribute.value == id {
                same += 1;
            }
        }
    }
    if same == 1 {
        Ok(())
    } else {
        Err(coverage("its id is not the only one of its kind"))
    }
}

/// Checks what the signature says of itself, and gives the certificates that it shows.
fn check(document: &Document<'_>, signature: NodeId, id: &str) -> Result<Vec<Vec<u8>>, Refusal> {
    for part in document.children(signature) {
        if document.element(part).is_some()
            && !["SignedInfo", "SignatureValue", "KeyInfo"]
                .iter()
                .any(|name| is(document, part, DSIG, name))
        {
            return Err(coverage("it contains other things"));
        }
    }
    let info = the(document, signature, DSIG, "SignedInfo")?;
    the(document, signature, DSIG, "SignatureValue")?;
    algorithm(document, info, "CanonicalizationMethod", &[EXC_C14N])?;
    algorithm(document, info, "SignatureMethod", &SIGNATURES)?;
    let [reference] = children(document, info, DSIG, "Reference")[..] else {
        return Err(coverage("it does not refer to one thing"));
    };
    let uri = attribute(document, reference, "URI");
    if uri.and_then(|uri| uri.strip_prefix('#')) != Some(id) {
        return Err(coverage("it refers to something else"));
    }
    let transforms = the(document, reference, DSIG, "Transforms")?;
    let transforms: Vec<&str> = children(document, transforms, DSIG, "Transform")
        .into_iter()
        .map(|transform| attribute(document, transform, "Algorithm").unwrap_or_default())
        .collect();
    if transforms != [ENVELOPED, EXC_C14N] {
        return Err(coverage("it transforms what it signs"));
    }
    algorithm(document, reference, "DigestMethod", &DIGESTS)?;
    let Some(keys) = child(document, signature, DSIG, "KeyInfo")? else {
        return Ok(Vec::new());
    };
    let mut certificates = Vec::new();
    for data in children(document, keys, DSIG, "X509Data") {
        for certificate in children(document, data, DSIG, "X509Certificate") {
            let encoded = text(document, certificate)?;
            let encoded: String = encoded.split_ascii_whitespace().collect();
            let decoded = BASE64.decode(encoded.as_bytes());
            certificates.push(
                decoded
                    .map_err(|_| Refusal::Malformed("a certificate is not Base64".to_owned()))?,
            );
        }
    }
    if certificates.len() > MOST_CERTIFICATES {
        return Err(Refusal::Malformed(
            "it shows too many certificates".to_owned(),
        ));
    }
    Ok(certificates)
}

fn algorithm(
    document: &Document<'_>,
    parent: NodeId,
    method: &str,
    accepted: &[&str],
) -> Result<(), Refusal> {
    let method = the(document, parent, DSIG, method)?;
    let used = attribute(document, method, "Algorithm").unwrap_or_default();
    if accepted.contains(&used) {
        Ok(())
    } else {
        let short: String = used.chars().take(100).collect();
        Err(Refusal::Algorithm(short))
    }
}

fn coverage(what: &str) -> Refusal {
    Refusal::Coverage(what.to_owned())
}
