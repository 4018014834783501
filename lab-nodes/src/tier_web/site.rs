//! A request and its answer.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::join_all;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use lab_core::plan::Peer;
use lab_core::service::Conversation;
use rustls::ClientConfig;

use super::HEALTH;
use super::settings::{Ask, Settings};
use super::tier::{Answer, Tier};
use crate::http::accept::Visitor;
use crate::http::asked::Asked;
use crate::http::body::{self, Body};
use crate::http::tier_path::{TIERLAB_MISSING, TierPath};
use crate::http::{host, page};
use crate::login::{Admitted, Door, Farewell, Guard, Identity};
use crate::saml::Claims;
use crate::tls;
use crate::ws_federation::{self, Passed, SIGN_OUT, TRUST};

/// Longest body of a request that is read and thrown away, in bytes.
const LONGEST_BODY: usize = 1 << 20;

/// What this node serves.
pub(super) struct Site {
    node: String,
    settings: RwLock<Arc<Settings>>,
    /// Who logs people in, if they must.
    guard: RwLock<Option<Guard>>,
    tiers: BTreeMap<String, Tier>,
    client: Arc<ClientConfig>,
    guarded: Option<Guarded>,
}

/// What is for people alone who signed in.
pub(super) struct Guarded {
    pub host: String,
    pub below: String,
    pub door: ws_federation::Door,
}

impl Guarded {
    /// Whether a request comes to the door.
    fn meets(&self, host: &str, path: &str) -> bool {
        let within = path.strip_prefix(self.below.as_str());
        self.host == host
            && (within.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                || path == TRUST
                || path == SIGN_OUT)
    }
}

impl Site {
    pub fn new(
        node: &str,
        peers: &BTreeMap<String, Vec<Peer>>,
        settings: Settings,
        client: Arc<ClientConfig>,
        guard: Option<Guard>,
        guarded: Option<Guarded>,
    ) -> Self {
        Self {
            node: node.to_owned(),
            settings: RwLock::new(Arc::new(settings)),
            guard: RwLock::new(guard),
            tiers: peers
                .iter()
                .map(|(name, peers)| (name.clone(), Tier::new(peers)))
                .collect(),
            client,
            guarded,
        }
    }

    /// The door of a connection, where people must log in.
    pub fn door(&self, visitor: &Visitor) -> Option<Door> {
        let guard = self.guard.read().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map(|guard| guard.door(visitor))
    }

    /// New settings, for requests from now on; connections that are there keep their door.
    pub fn change(&self, settings: Settings, guard: Option<Guard>) {
        *self.guard.write().unwrap_or_else(PoisonError::into_inner) = guard;
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    pub async fn answer(
        &self,
        visitor: &Visitor,
        door: Option<&Door>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let asked = Asked::new(&request);
        // Health checks are nobody's.
        let door = door.filter(|_| request.uri().path() != HEALTH);
        let admitted = match door {
            Some(door) => door.admit(request).await.map(|admitted| {
                let Admitted {
                    identity,
                    request,
                    answer,
                } = admitted;
                (Some(identity), request, answer)
            }),
            None => Ok((None, request, Farewell::default())),
        };
        let mut response = match admitted {
            Ok((who, request, farewell)) => {
                let served = self.serve(&settings, visitor, who.as_deref(), request);
                let mut response = served.await;
                farewell.apply(&mut response);
                response
            }
            Err(response) => response,
        };
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        visitor
            .conversation
            .tell(|| asked.served(response.status()));
        response
    }

    async fn serve(
        &self,
        settings: &Settings,
        visitor: &Visitor,
        who: Option<&Identity>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let (head, incoming) = request.into_parts();
        match body::read(incoming, LONGEST_BODY).await {
            Ok(body) => {
                let request = Request::from_parts(head, ());
                self.reply(settings, visitor, who, &request, &body).await
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
        }
    }

    async fn reply(
        &self,
        settings: &Settings,
        visitor: &Visitor,
        who: Option<&Identity>,
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
        if request.uri().path() == HEALTH && reads(request.method()) {
            let mut response = page::line(StatusCode::OK, &format!("{} is well.", self.node));
            TierPath::of(&self.node).write(response.headers_mut());
            return response;
        }
        let mut claims = None;
        let guarded = self.guarded.as_ref();
        if let Some(guarded) = guarded.filter(|one| one.meets(&host, request.uri().path())) {
            match guarded
                .door
                .pass(request, body, &visitor.conversation)
                .await
            {
                Passed::In(signed_in) => claims = Some(signed_in),
                Passed::Answered(mut response) => {
                    TierPath::of(&self.node).write(response.headers_mut());
                    return *response;
                }
            }
        }
        if !reads(request.method()) {
            let mut response = page::line(
                StatusCode::METHOD_NOT_ALLOWED,
                "Only GET and HEAD are served here.",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if !admits(settings, visitor) {
            return page::line(
                StatusCode::FORBIDDEN,
                &format!(
                    "{} answers only nodes that ask the tier \"{}\" and show their certificate.",
                    self.node, settings.tier
                ),
            );
        }
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let answers = settings
            .asks
            .iter()
            .map(|ask| self.ask(ask, target, &visitor.conversation));
        let mut path = TierPath::of(&self.node);
        for answer in join_all(answers).await {
            match answer {
                Answer::Path(asked) => path.append(asked),
                Answer::Missing(tier) => return self.unavailable(settings, &tier),
            }
        }
        self.welcome(
            settings,
            visitor,
            (who, claims.as_deref()),
            &host,
            request.headers(),
            &path,
        )
    }

    async fn ask(&self, ask: &Ask, target: &str, conversation: &Conversation) -> Answer {
        match self.tiers.get(&ask.name) {
            Some(tier) => tier.ask(ask, target, &self.client, conversation).await,
            None => Answer::Missing(ask.tier.clone()),
        }
    }

    fn welcome(
        &self,
        settings: &Settings,
        visitor: &Visitor,
        (who, claims): (Option<&Identity>, Option<&Claims>),
        host: &str,
        headers: &HeaderMap,
        path: &TierPath,
    ) -> Response<Body> {
        let client = visitor.address.ip().to_canonical().to_string();
        let took_part = path.to_string();
        let forwarded = headers
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok());
        let mut rows = vec![
            ("Host", host),
            ("Node", self.node.as_str()),
            ("Tier", settings.tier.as_str()),
            ("Client", client.as_str()),
        ];
        rows.extend(forwarded.map(|from| ("Forwarded for", from)));
        let login =
            who.map(|who| format!("{} by {}: {}", who.person.account, who.method, who.proof));
        rows.extend(login.as_deref().map(|login| ("Logged in", login)));
        let roles = claims
            .map(|claims| claims.roles().join(", "))
            .unwrap_or_default();
        if let Some(claims) = claims {
            rows.extend([
                ("Signed in", claims.name()),
                ("Account", claims.subject.as_str()),
            ]);
            rows.push(("Roles", &roles));
        }
        rows.push(("Took part", &took_part));
        let mut response = page::page(StatusCode::OK, host, &rows);
        path.write(response.headers_mut());
        response
    }

    fn unavailable(&self, settings: &Settings, tier: &str) -> Response<Body> {
        let mut response = page::page(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            &[
                ("Missing", tier),
                ("Node", &self.node),
                ("Tier", &settings.tier),
            ],
        );
        TierPath::of(&self.node).write(response.headers_mut());
        if let Ok(tier) = HeaderValue::from_bytes(tier.as_bytes()) {
            response.headers_mut().insert(TIERLAB_MISSING, tier);
        }
        response
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether this client may ask: everybody, any node of the lab, or the peers by name.
fn admits(settings: &Settings, visitor: &Visitor) -> bool {
    match (&settings.only_from, &visitor.certificate) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(peers), Some(certificate)) => {
            peers.is_empty() || tls::is_for(certificate, peers.iter().map(String::as_str))
        }
    }
}
