//! What a relying party asks for, in either protocol.

use data_encoding::BASE64;

use super::settings::{RelyingParty, Settings};
use crate::http::form::Form;
use crate::saml::{AuthnRequest, inflated};

/// Longest state of a relying party that is given back, in bytes.
const LONGEST_STATE: usize = 2048;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A token.
    SignIn(Box<SignIn>),
    /// To be forgotten; and where to go on, if it is a place of a known site.
    SignOut(Option<String>),
}

/// A token that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignIn {
    /// For whom.
    pub party: RelyingParty,
    /// Where it shall go.
    pub reply: String,
    /// What is given back with it.
    pub state: Option<String>,
    /// By which protocol.
    pub protocol: Protocol,
    /// A login is asked for even from those who have a session.
    pub force: bool,
    /// Nobody may be asked for anything.
    pub passive: bool,
    /// Fields that the login form must carry on, since they came in a body.
    pub carried: Vec<(String, String)>,
}

/// A protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// WS-Federation: a token of SAML 1.1.
    WsFederation,
    /// SAML 2.0: the answer to the request of this id.
    Saml(String),
}

impl Ask {
    /// From a request's query and body.
    ///
    /// # Errors
    /// A sentence for the page.
    pub fn read(settings: &Settings, query: &Form, body: &Form) -> Result<Self, String> {
        if let Some(encoded) = body.get("SAMLRequest") {
            let xml = BASE64
                .decode(encoded.as_bytes())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or("The sign-in request is not Base64.")?;
            let carried = ["SAMLRequest", "RelayState"]
                .into_iter()
                .filter_map(|name| {
                    let value = body.get(name)?;
                    Some((name.to_owned(), value.to_owned()))
                });
            return saml(settings, &xml, body.get("RelayState"), carried.collect());
        }
        if let Some(encoded) = query.get("SAMLRequest") {
            let xml = inflated(encoded).map_err(|error| format!("{error}."))?;
            return saml(settings, &xml, query.get("RelayState"), Vec::new());
        }
        match query.get("wa") {
            Some("wsignin1.0") => sign_in(settings, query),
            Some("wsignout1.0" | "wsignoutcleanup1.0") => {
                let reply = query.get("wreply").filter(|reply| {
                    let mut places = settings.relying_parties.iter().flat_map(|one| &one.replies);
                    places.any(|place| place == reply)
                });
                Ok(Self::SignOut(reply.map(str::to_owned)))
            }
            Some(other) => Err(format!("Nothing is known of wa={}.", brief(other))),
            None => {
                Err("No site asks for anybody: come here from the site you want to use.".to_owned())
            }
        }
    }
}

fn sign_in(settings: &Settings, query: &Form) -> Result<Ask, String> {
    let realm = query.get("wtrealm").unwrap_or_default();
    let party = party(settings, realm)?;
    let reply = reply(&party, query.get("wreply"))?;
    Ok(Ask::SignIn(Box::new(SignIn {
        reply,
        party,
        state: state(query.get("wctx"))?,
        protocol: Protocol::WsFederation,
        // wfresh=0 asks for a fresh login (WS-Federation 1.2 §13.2.2).
        force: query.get("wfresh") == Some("0"),
        passive: false,
        carried: Vec::new(),
    })))
}

fn saml(
    settings: &Settings,
    xml: &str,
    relay: Option<&str>,
    carried: Vec<(String, String)>,
) -> Result<Ask, String> {
    let request =
        AuthnRequest::read(xml).map_err(|error| format!("The sign-in request: {error}."))?;
    let party = party(settings, &request.issuer)?;
    let reply = reply(&party, request.reply.as_deref())?;
    Ok(Ask::SignIn(Box::new(SignIn {
        reply,
        party,
        state: state(relay)?,
        protocol: Protocol::Saml(request.id),
        force: request.force,
        passive: request.passive,
        carried,
    })))
}

fn party(settings: &Settings, realm: &str) -> Result<RelyingParty, String> {
    let mut parties = settings.relying_parties.iter();
    parties
        .find(|party| party.realm == realm)
        .cloned()
        .ok_or_else(|| format!("Nothing is known of the site {}.", brief(realm)))
}

/// Where the token goes: nowhere but to places that the site is known to have.
fn reply(party: &RelyingParty, asked: Option<&str>) -> Result<String, String> {
    let chosen = match asked {
        Some(asked) => party.replies.iter().find(|reply| *reply == asked),
        None => party.replies.first(),
    };
    chosen.cloned().ok_or_else(|| {
        format!(
            "{} is no place of {}.",
            brief(asked.unwrap_or_default()),
            party.name
        )
    })
}

fn state(state: Option<&str>) -> Result<Option<String>, String> {
    match state {
        Some(state) if state.len() > LONGEST_STATE => {
            Err("The site gives too much to be given back.".to_owned())
        }
        state => Ok(state.map(str::to_owned)),
    }
}

fn brief(text: &str) -> String {
    text.chars().take(200).collect()
}
