//! The tokens.

use std::time::Duration;

use data_encoding::BASE64;
use hyper::Response;

use super::ask::{Protocol, SignIn};
use super::pages;
use super::sessions::Session;
use super::settings::{Settings, User};
use crate::http::body::Body;
use crate::saml::{self, Issue, SignError, Signer, Version};
use crate::ws_federation;

/// The page that brings a token for somebody to the site that asks for it.
///
/// # Errors
/// What the signer says.
pub(super) fn grant(
    settings: &Settings,
    signer: &Signer,
    ask: &SignIn,
    session: &Session,
    user: &User,
    now: saml::Instant,
) -> Result<Response<Body>, SignError> {
    let id = saml::random_id()?;
    let (version, request) = match &ask.protocol {
        Protocol::WsFederation => (Version::V11, None),
        Protocol::Saml(request) => (Version::V20, Some(request.as_str())),
    };
    let issue = Issue {
        version,
        id: &id,
        issuer: &settings.issuer,
        audience: &ask.party.realm,
        recipient: &ask.reply,
        in_response_to: request,
        subject: &session.user,
        values: &user.claims,
        authenticated: session.authenticated,
        now,
        lifetime: Duration::from_secs(settings.token_lifetime),
    };
    let assertion = issue.signed(signer)?;
    tracing::info!(
        "{} got the token {id} for {}",
        session.user,
        ask.party.realm
    );
    let state = ask.state.as_deref();
    Ok(match ask.protocol {
        Protocol::WsFederation => {
            let result = ws_federation::response(&issue, &assertion);
            let mut fields = vec![("wa", "wsignin1.0"), ("wresult", result.as_str())];
            fields.extend(state.map(|state| ("wctx", state)));
            pages::forward(&settings.title, &ask.reply, &fields)
        }
        Protocol::Saml(_) => saml_page(settings, ask, &saml::response(&issue, &assertion)?),
    })
}

/// The page that says that nobody is logged in, to a site that lets nobody be asked.
///
/// # Errors
/// What the signer says.
pub(super) fn no_passive(
    settings: &Settings,
    ask: &SignIn,
    request: &str,
    now: saml::Instant,
) -> Result<Response<Body>, SignError> {
    let answer = saml::no_passive(&settings.issuer, &ask.reply, request, now)?;
    Ok(saml_page(settings, ask, &answer))
}

fn saml_page(settings: &Settings, ask: &SignIn, answer: &str) -> Response<Body> {
    let encoded = BASE64.encode(answer.as_bytes());
    let mut fields = vec![("SAMLResponse", encoded.as_str())];
    fields.extend(ask.state.as_deref().map(|state| ("RelayState", state)));
    pages::forward(&settings.title, &ask.reply, &fields)
}
