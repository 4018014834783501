//! The door of a site whose people come from identity providers: who has no session is sent to one,
//! who comes back with a token gets a session, which all front ends share.

use std::time::{Duration, SystemTime};

use hyper::header::{HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use lab_core::observe::Deed;
use lab_core::service::Conversation;
use rustls::pki_types::CertificateDer;

use super::relying_party::{Denied, RelyingParty, own_path};
use super::trusted::{RelyingPartySettings, TrustedProvider};
use crate::distributed_cache::{Token, TokenCache};
use crate::http::body::{Body, empty};
use crate::http::cookie::cookie;
use crate::http::form::{self, Form};
use crate::http::page;
use crate::saml::{Claims, Instant};

/// The cookie of a session, named as SharePoint's.
const COOKIE: &str = "FedAuth";
/// Where tokens are sent to.
pub const TRUST: &str = "/_trust/";
/// Where people sign out.
pub const SIGN_OUT: &str = "/_layouts/15/SignOut.aspx";

/// The door.
pub struct Door {
    party: RelyingParty,
    cache: TokenCache,
}

/// What becomes of a request at the door.
pub enum Passed {
    /// It is of somebody who logged in.
    In(Box<Claims>),
    /// It is answered here.
    Answered(Box<Response<Body>>),
}

impl Door {
    /// With the roots of the lab's CA and the cache that the front ends share.
    pub fn new(
        settings: RelyingPartySettings,
        roots: &[CertificateDer<'static>],
        cache: TokenCache,
    ) -> Self {
        Self {
            party: RelyingParty::new(settings, roots),
            cache,
        }
    }

    /// Lets a request in, or answers it: at [`TRUST`] and [`SIGN_OUT`], and where nobody is logged in.
    pub async fn pass(
        &self,
        request: &Request<()>,
        body: &[u8],
        conversation: &Conversation,
    ) -> Passed {
        let answer = match request.uri().path() {
            TRUST if *request.method() == Method::POST => self.accept(body, conversation).await,
            TRUST => self.trust(request).await,
            SIGN_OUT => self.sign_out(request.headers()).await,
            _ => match self.who(request.headers(), conversation).await {
                Some(claims) => return Passed::In(Box::new(claims)),
                None => self.ask(request),
            },
        };
        Passed::Answered(Box::new(answer))
    }

    /// Who has the session that a request shows, at whichever front end it began.
    pub async fn who(&self, headers: &HeaderMap, conversation: &Conversation) -> Option<Claims> {
        let token = Token::read(cookie(headers, COOKIE)?)?;
        let session = self.cache.get(&token).await?;
        let claims: Claims = serde_json::from_slice(&session).ok()?;
        conversation.tell(|| Deed::Login {
            method: "saml".to_owned(),
            principal: claims.subject.clone(),
            verified: true,
            proof: format!(
                "session in the distributed cache, begun by token {}",
                claims.token
            ),
        });
        Some(claims)
    }

    async fn accept(&self, body: &[u8], conversation: &Conversation) -> Response<Body> {
        let accepted = match self.party.accept(body, &self.cache, conversation).await {
            Ok(accepted) => accepted,
            Err(denied) => return refused(&denied),
        };
        let now = Instant::new(SystemTime::now());
        let lifetime = accepted.claims.until.since(now).unwrap_or(Duration::ZERO);
        let session = serde_json::to_vec(&accepted.claims).unwrap_or_default();
        match self.cache.put(session, lifetime).await {
            Ok(token) => {
                let mut response = redirect(&accepted.return_to);
                set_cookie(&mut response, &token.to_string(), "");
                response
            }
            Err(error) => {
                tracing::error!("no session for {}: {error}", accepted.claims.subject);
                page::line(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "No session could be begun.",
                )
            }
        }
    }

    /// The provider says that somebody signed out there, or somebody chose a provider.
    async fn trust(&self, request: &Request<()>) -> Response<Body> {
        let query = request.uri().query().unwrap_or_default();
        let query = Form::read(query.as_bytes()).unwrap_or_default();
        if query.get("wa") == Some("wsignoutcleanup1.0") {
            self.forget(request.headers()).await;
            let mut response = page::line(StatusCode::OK, "You are signed out.");
            set_cookie(&mut response, "", "; Max-Age=0");
            return response;
        }
        let chosen = query.get("trust").and_then(|name| {
            let mut providers = self.party.providers().iter();
            providers.find(|provider| provider.name == name)
        });
        let back = query.get("ReturnUrl").unwrap_or("/");
        match chosen {
            Some(provider) => redirect(&self.party.redirect(provider, back)),
            None => self.choice(back),
        }
    }

    async fn sign_out(&self, headers: &HeaderMap) -> Response<Body> {
        self.forget(headers).await;
        let mut response = match self.party.providers() {
            [provider] => redirect(&self.party.sign_out(provider)),
            _ => page::line(StatusCode::OK, "You are signed out."),
        };
        set_cookie(&mut response, "", "; Max-Age=0");
        response
    }

    async fn forget(&self, headers: &HeaderMap) {
        if let Some(token) = cookie(headers, COOKIE).and_then(Token::read) {
            self.cache.remove(&token).await;
        }
    }

    /// Sends somebody to log in. What is no page is refused, as clients of interfaces expect
    /// ([MS-OFBA] §2.1.1.2).
    fn ask(&self, request: &Request<()>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = page::line(StatusCode::FORBIDDEN, "Sign in first.");
            let required = HeaderValue::from_static("/_trust/");
            let name = HeaderName::from_static("x-forms_based_auth_required");
            response.headers_mut().insert(name, required);
            return response;
        }
        let path = request.uri().path_and_query();
        let path = own_path(path.map_or("/", |path| path.as_str()));
        self.choice(path)
    }

    fn choice(&self, back: &str) -> Response<Body> {
        match self.party.providers() {
            [provider] => redirect(&self.party.redirect(provider, back)),
            several => {
                let way = |provider: &TrustedProvider| {
                    let fields = [("trust", provider.name.as_str()), ("ReturnUrl", back)];
                    (
                        provider.name.clone(),
                        format!("{TRUST}?{}", form::write(fields)),
                    )
                };
                let ways: Vec<_> = several.iter().map(way).collect();
                let ways = ways.iter().map(|(name, at)| (name.as_str(), at.as_str()));
                page::links(StatusCode::OK, "Sign in", &ways.collect::<Vec<_>>())
            }
        }
    }
}

fn refused(denied: &Denied) -> Response<Body> {
    let status = match denied {
        Denied::Form(_) => StatusCode::BAD_REQUEST,
        Denied::Token(_) => StatusCode::FORBIDDEN,
    };
    page::page(
        status,
        "Sign-in refused",
        &[("Reason", &denied.to_string())],
    )
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// The provider's page that tells of a sign-out is another site's: it shall bring the cookie, too.
fn set_cookie(response: &mut Response<Body>, value: &str, more: &str) {
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=None{more}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}
