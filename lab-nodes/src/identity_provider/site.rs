//! A request and its answer.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, SET_COOKIE};
use hyper::{Method, Request, Response, StatusCode};
use lab_core::observe::Deed;

use super::METADATA;
use super::accounts::{Accounts, Outcome};
use super::ask::{Ask, Protocol, SignIn};
use super::sessions::{COOKIE, Session, Sessions};
use super::settings::Settings;
use super::{metadata, pages, sign_in};
use crate::http::accept::Visitor;
use crate::http::asked::Asked;
use crate::http::body::{self, Body, full};
use crate::http::cookie::cookie;
use crate::http::form::Form;
use crate::http::tier_path::TierPath;
use crate::http::{host, page};
use crate::saml::{SignError, Signer};

/// Longest body of a request that is read, in bytes.
const LONGEST_BODY: usize = 512 << 10;
/// Where people log in.
const SIGN_IN: &str = "/adfs/ls";
/// Answered like the health checks of the other web servers.
const HEALTH: &str = "/health";

/// What this node serves.
pub(super) struct Site {
    node: String,
    settings: RwLock<Arc<Settings>>,
    signer: Signer,
    accounts: Accounts,
    sessions: Sessions,
}

impl Site {
    pub fn new(node: &str, settings: Settings, signer: Signer) -> Self {
        Self {
            node: node.to_owned(),
            settings: RwLock::new(Arc::new(settings)),
            signer,
            accounts: Accounts::default(),
            sessions: Sessions::default(),
        }
    }

    /// New settings, for requests from now on.
    pub fn change(&self, settings: Settings) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    pub async fn answer(&self, visitor: &Visitor, request: Request<Incoming>) -> Response<Body> {
        let settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let asked = Asked::new(&request);
        let (head, incoming) = request.into_parts();
        let mut response = match body::read(incoming, LONGEST_BODY).await {
            Ok(body) => {
                let request = Request::from_parts(head, ());
                self.reply(&settings, visitor, &request, &body)
            }
            Err(trouble) => {
                let status = match trouble {
                    body::BodyError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    body::BodyError::Broken(_) => StatusCode::BAD_REQUEST,
                };
                let mut response = page::line(status, &format!("{trouble}."));
                // The rest of the body stands in the way of the next request.
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        TierPath::of(&self.node).write(headers);
        visitor
            .conversation
            .tell(|| asked.served(response.status()));
        response
    }

    fn reply(
        &self,
        settings: &Settings,
        visitor: &Visitor,
        request: &Request<()>,
        body: &[u8],
    ) -> Response<Body> {
        let Some(host) = host::of(request) else {
            return page::line(
                StatusCode::BAD_REQUEST,
                "The request names no host, or several.",
            );
        };
        if !settings.hosts.contains(&host) {
            let refusal = format!("{} does not serve {host}.", self.node);
            return page::line(StatusCode::MISDIRECTED_REQUEST, &refusal);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
            let mut response = page::line(
                StatusCode::METHOD_NOT_ALLOWED,
                "Only GET, HEAD and POST are served here.",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            return response;
        }
        let path = request.uri().path();
        match path.strip_suffix('/').unwrap_or(path) {
            SIGN_IN => self.sign_in(settings, visitor, request, body),
            METADATA => match metadata::document(settings, &self.signer) {
                Ok(document) => {
                    let mut response = Response::new(full(document));
                    let kind = HeaderValue::from_static("application/samlmetadata+xml");
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                    response
                }
                Err(error) => self.unsigned(settings, &error),
            },
            HEALTH => page::line(StatusCode::OK, &format!("{} is well.", self.node)),
            "" => pages::trouble(
                StatusCode::OK,
                &settings.title,
                "This is an identity provider: come here from the site you want to use.",
            ),
            _ => pages::trouble(
                StatusCode::NOT_FOUND,
                &settings.title,
                "There is nothing here.",
            ),
        }
    }

    fn sign_in(
        &self,
        settings: &Settings,
        visitor: &Visitor,
        request: &Request<()>,
        body: &[u8],
    ) -> Response<Body> {
        let query = Form::read(request.uri().query().unwrap_or_default().as_bytes());
        let body = Form::read(body);
        let (query, body) = match (query, body) {
            (Ok(query), Ok(body)) => (query, body),
            (Err(error), _) | (_, Err(error)) => {
                let what = format!("{error}.");
                return pages::trouble(StatusCode::BAD_REQUEST, &settings.title, &what);
            }
        };
        let cookie = cookie(request.headers(), COOKIE);
        match Ask::read(settings, &query, &body) {
            Err(what) => pages::trouble(StatusCode::BAD_REQUEST, &settings.title, &what),
            Ok(Ask::SignOut(back)) => self.sign_out(settings, cookie, back.as_deref()),
            Ok(Ask::SignIn(ask)) => match (body.get("UserName"), body.get("Password")) {
                (Some(user), Some(password)) => {
                    self.log_in(settings, visitor, &ask, user, password)
                }
                _ => self.ask_who(settings, &ask, cookie),
            },
        }
    }

    /// Who has a session gets a token, everybody else the login page.
    fn ask_who(&self, settings: &Settings, ask: &SignIn, cookie: Option<&str>) -> Response<Body> {
        let lifetime = Duration::from_secs(settings.session_lifetime);
        let session = cookie.and_then(|id| {
            let session = self.sessions.get(id, lifetime, Instant::now())?;
            Some((id, session))
        });
        match (session, &ask.protocol) {
            (Some((id, session)), _) if !ask.force => self.grant(settings, ask, id, &session),
            (None, Protocol::Saml(request)) if ask.passive => {
                let now = settings.now();
                sign_in::no_passive(settings, ask, request, now)
                    .unwrap_or_else(|error| self.unsigned(settings, &error))
            }
            _ => self.login_page(settings, ask, StatusCode::OK, "", None),
        }
    }

    fn log_in(
        &self,
        settings: &Settings,
        visitor: &Visitor,
        ask: &SignIn,
        user: &str,
        password: &str,
    ) -> Response<Body> {
        let name: String = user.trim().to_lowercase().chars().take(256).collect();
        let outcome = self
            .accounts
            .verify(&settings.users, &name, password, Instant::now());
        visitor.conversation.tell(|| Deed::Login {
            method: "forms".to_owned(),
            principal: name.clone(),
            verified: outcome == Outcome::Verified,
            proof: match outcome {
                Outcome::Verified => "password".to_owned(),
                Outcome::Wrong => "the name or the password is wrong".to_owned(),
                Outcome::Locked => "the account is locked".to_owned(),
            },
        });
        let trouble = match outcome {
            Outcome::Verified => {
                let now = settings.now();
                let id = self.sessions.begin(&name, now, Instant::now());
                let session = id.and_then(|id| {
                    let lifetime = Duration::from_secs(settings.session_lifetime);
                    let session = self.sessions.get(&id, lifetime, Instant::now())?;
                    Some((id, session))
                });
                let Some((id, session)) = session else {
                    let what = "No session can be begun.";
                    let status = StatusCode::SERVICE_UNAVAILABLE;
                    return pages::trouble(status, &settings.title, what);
                };
                let mut response = self.grant(settings, ask, &id, &session);
                // A request by POST comes from another site, and shall bring the cookie, too.
                let cookie = format!("{COOKIE}={id}; Path=/adfs; Secure; HttpOnly; SameSite=None");
                if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                    response.headers_mut().insert(SET_COOKIE, cookie);
                }
                return response;
            }
            Outcome::Wrong => "The user name or password is wrong. Try again.",
            Outcome::Locked => {
                tracing::warn!("the account {name} is locked");
                "This account is locked for a while: too many wrong passwords."
            }
        };
        self.login_page(settings, ask, StatusCode::OK, &name, Some(trouble))
    }

    fn login_page(
        &self,
        settings: &Settings,
        ask: &SignIn,
        status: StatusCode,
        user: &str,
        trouble: Option<&str>,
    ) -> Response<Body> {
        let (title, site) = (&settings.title, &ask.party.name);
        pages::login(status, title, site, user, trouble, &ask.carried)
    }

    fn grant(
        &self,
        settings: &Settings,
        ask: &SignIn,
        id: &str,
        session: &Session,
    ) -> Response<Body> {
        let Some(user) = settings.users.get(&session.user) else {
            self.sessions.end(id);
            return self.login_page(settings, ask, StatusCode::OK, "", None);
        };
        self.sessions.visit(id, &ask.party.realm);
        let now = settings.now();
        sign_in::grant(settings, &self.signer, ask, session, user, now)
            .unwrap_or_else(|error| self.unsigned(settings, &error))
    }

    fn sign_out(
        &self,
        settings: &Settings,
        cookie: Option<&str>,
        back: Option<&str>,
    ) -> Response<Body> {
        let session = cookie.and_then(|id| self.sessions.end(id));
        let visited = session.map(|session| session.visited).unwrap_or_default();
        let visited: Vec<_> = settings
            .relying_parties
            .iter()
            .filter(|party| visited.contains(&party.realm))
            .collect();
        let mut response = pages::signed_out(&settings.title, &visited, back);
        let cookie = format!("{COOKIE}=; Path=/adfs; Max-Age=0; Secure; HttpOnly; SameSite=None");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }

    fn unsigned(&self, settings: &Settings, error: &SignError) -> Response<Body> {
        tracing::error!("{error}");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        pages::trouble(status, &settings.title, "The token could not be signed.")
    }
}
