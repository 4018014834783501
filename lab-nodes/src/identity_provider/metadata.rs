//! What relying parties import (saml-metadata-2.0, WS-Federation 1.2 §3).

use super::settings::Settings;
use crate::saml::{SignError, Signer, claim_types, escape, random_id};

/// The signed document.
///
/// # Errors
/// What the signer says.
pub(super) fn document(settings: &Settings, signer: &Signer) -> Result<String, SignError> {
    let id = random_id()?;
    let place = escape(&settings.sign_in);
    let certificate = signer.certificates().first().map_or("", String::as_str);
    let key = format!(
        "<KeyDescriptor use=\"signing\"><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\">\
         <X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
    );
    let claims: String = [
        ("E-Mail Address", claim_types::EMAIL),
        ("UPN", claim_types::UPN),
        ("Name", claim_types::NAME),
        ("Role", claim_types::ROLE),
    ]
    .map(|(name, kind)| {
        format!(
            "<auth:ClaimType xmlns:auth=\"http://docs.oasis-open.org/wsfed/authorization/200706\" \
             Uri=\"{kind}\" Optional=\"true\"><auth:DisplayName>{name}</auth:DisplayName></auth:ClaimType>"
        )
    })
    .concat();
    let endpoint = format!(
        "<wsa:EndpointReference xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
         <wsa:Address>{place}</wsa:Address></wsa:EndpointReference>"
    );
    signer.sign(format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"{id}\" \
         entityID=\"{entity}\">{signature}\
         <RoleDescriptor xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:fed=\"http://docs.oasis-open.org/wsfed/federation/200706\" \
         xsi:type=\"fed:SecurityTokenServiceType\" \
         protocolSupportEnumeration=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512 \
http://schemas.xmlsoap.org/ws/2005/02/trust http://docs.oasis-open.org/wsfed/federation/200706\" \
         ServiceDisplayName=\"{title}\">{key}<fed:TokenTypesOffered>\
         <fed:TokenType Uri=\"urn:oasis:names:tc:SAML:1.0:assertion\"/></fed:TokenTypesOffered>\
         <fed:ClaimTypesOffered>{claims}</fed:ClaimTypesOffered>\
         <fed:PassiveRequestorEndpoint>{endpoint}</fed:PassiveRequestorEndpoint></RoleDescriptor>\
         <IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{key}\
         <NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</NameIDFormat>\
         <SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"{place}\"/>\
         <SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\"{place}\"/></IDPSSODescriptor></EntityDescriptor>",
        entity = escape(&settings.issuer),
        signature = signer.skeleton(&id),
        title = escape(&settings.title),
    ))
}
