//! A client's connection, and what becomes of its requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use lab_core::check::Affinity;
use lab_core::observe::{Deed, Tuple};

use super::HEALTH;
use super::affinity;
use super::device::{Device, LiveSite, Unpublished};
use super::exchange;
use super::link::{self, Link, Links, SendError};
use super::pool::{LiveMember, LivePool};
use crate::http::accept::Visitor;
use crate::http::asked::Asked;
use crate::http::body::{self, Body};
use crate::http::tier_path::{TIERLAB_MISSING, TierPath};
use crate::http::{host, page};

/// One client connection to a layer-7 VIP.
pub(super) struct Visit {
    device: Arc<Device>,
    vip: Arc<str>,
    /// The VIP speaks TLS and this is its listener without: only some sites are served here.
    plain_only: bool,
    visitor: Visitor,
    links: Mutex<Links>,
}

/// A request on its way to a member, kept so that it can be sent again.
struct Outgoing {
    head: Parts,
    /// None: it has no body.
    body: Option<Body>,
    /// It may be sent to a second member after it was sent to a first.
    replayable: bool,
    /// It logs in to its connection.
    login: bool,
}

impl Visit {
    pub fn new(device: Arc<Device>, vip: Arc<str>, plain_only: bool, visitor: Visitor) -> Self {
        Self {
            device,
            vip,
            plain_only,
            visitor,
            links: Mutex::default(),
        }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let asked = Asked::new(&request);
        let response = self.reply(request).await;
        self.visitor
            .conversation
            .tell(|| asked.served(response.status()));
        response
    }

    async fn reply(&self, request: Request<Incoming>) -> Response<Body> {
        let table = self.device.table();
        if request.uri().path() == HEALTH {
            let dead: Vec<&str> = table
                .pools()
                .filter(|pool| !pool.is_alive())
                .map(|pool| pool.name.as_str())
                .collect();
            return if dead.is_empty() {
                page::line(StatusCode::OK, "Every pool has a healthy member.")
            } else {
                let dead = format!("No healthy member: {}.", dead.join(", "));
                page::line(StatusCode::SERVICE_UNAVAILABLE, &dead)
            };
        }
        if *request.method() == Method::CONNECT {
            return self.refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "This is no forward proxy",
                &[],
            );
        }
        let Some(host) = host::of(&request) else {
            let title = "The request names no host, or several";
            return self.refuse(StatusCode::BAD_REQUEST, title, &[]);
        };
        let path = request.uri().path();
        let name = self.visitor.server_name.as_deref();
        match table.site(&self.vip, self.plain_only, name, &host, path) {
            Ok(site) => self.forward(site, request).await,
            Err(Unpublished::Host) => {
                let rows = [("Host", host.as_str())];
                self.refuse(StatusCode::MISDIRECTED_REQUEST, "Not served here", &rows)
            }
            Err(Unpublished::Path) => {
                let rows = [("Host", host.as_str()), ("Path", path)];
                self.refuse(StatusCode::NOT_FOUND, "Not published", &rows)
            }
            Err(Unpublished::Ambiguous) => {
                let rows = [("Host", host.as_str()), ("Path", path)];
                self.refuse(
                    StatusCode::BAD_REQUEST,
                    "The path can be read in two ways",
                    &rows,
                )
            }
        }
    }

    async fn forward(&self, site: &LiveSite, request: Request<Incoming>) -> Response<Body> {
        let pool = &site.pool;
        let cookie =
            affinity::by_cookie(&self.device.secret, pool, &site.affinity, request.headers());
        let mut outgoing = self.outgoing(request);
        let pin = self.links().pin_of(&pool.name);
        if let Some(member) = pin {
            let link = self.links().take(&pool.name, &member, self.revoked());
            let member = pool.members.iter().find(|one| one.member == member);
            if let Some(member) = member {
                self.tell_choice(pool, member, "the connection that the client logged in to");
            }
            return self
                .forward_pinned(pool, link, member.map(Arc::as_ref), outgoing)
                .await;
        }
        let mut tried = Vec::new();
        let mut sent_before: Option<String> = None;
        let mut asked_again = false;
        loop {
            let by_cookie = cookie.as_ref().filter(|one| !tried.contains(&one.member));
            let chosen = match by_cookie.filter(|one| one.is_up()) {
                Some(member) => Some((member.clone(), "cookie")),
                None => self.choose(site, &outgoing.head, &tried),
            };
            let Some((member, reason)) = chosen else {
                if !std::mem::replace(&mut asked_again, true) && pool.revives().await {
                    tried.clear();
                    continue;
                }
                return match sent_before {
                    Some(trouble) => self.lost(pool, &trouble),
                    None => self.unavailable(pool, &outgoing.head),
                };
            };
            self.tell_choice(pool, &member, reason);
            let (mut link, reused) = match self.link(pool, &member).await {
                Ok(link) => link,
                Err(trouble) => {
                    self.visitor.conversation.tell(|| {
                        let to = SocketAddr::new(member.member.address, member.member.port);
                        let asked = Asked::head(&outgoing.head);
                        let name = &member.member.name;
                        asked.onward(Tuple::tcp_to(to), name, trouble.clone(), false)
                    });
                    tracing::warn!("{} of {}: {trouble}", member.member.name, pool.name);
                    member.fails(&trouble);
                    tried.push(member.member.clone());
                    continue;
                }
            };
            let asked = Asked::head(&outgoing.head);
            let sent = link.send(outgoing.request(), Some(&member)).await;
            self.tell_onward(&asked, &link, reused, &sent);
            match sent {
                Ok(response) => {
                    let known = cookie
                        .as_ref()
                        .is_some_and(|one| one.member == member.member);
                    let mut response = self.finish(link, outgoing.login, response);
                    if let Affinity::Cookie(name) = &site.affinity
                        && !known
                    {
                        self.set_cookie(name, pool, &member, &mut response);
                    }
                    return response;
                }
                Err(SendError::Unsent(request)) => {
                    outgoing.take_back(*request);
                    // A connection that lay idle may have been closed by a healthy member.
                    if !reused {
                        tried.push(member.member.clone());
                    }
                }
                Err(SendError::Lost(trouble)) => {
                    member.check_now.notify_one();
                    if !outgoing.replayable || sent_before.is_some() {
                        return self.lost(pool, &trouble);
                    }
                    sent_before = Some(trouble);
                    if !reused {
                        tried.push(member.member.clone());
                    }
                }
                Err(SendError::Slow) => return self.slow(pool),
            }
        }
    }

    /// A login holds on one connection only. If that is gone the client has to begin anew, on
    /// another connection of its own.
    async fn forward_pinned(
        &self,
        pool: &LivePool,
        link: Option<Link>,
        member: Option<&LiveMember>,
        mut outgoing: Outgoing,
    ) -> Response<Body> {
        let mut response = match link {
            None => self.lost(pool, "the connection that the client logged in to is gone"),
            Some(mut link) => match self.send_pinned(&mut link, &mut outgoing, member).await {
                Ok(response) => return self.finish(link, outgoing.login, response),
                Err(SendError::Unsent(_)) => self.lost(
                    pool,
                    "the connection that the client logged in to was closed",
                ),
                Err(SendError::Lost(trouble)) => self.lost(pool, &trouble),
                Err(SendError::Slow) => self.slow(pool),
            },
        };
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    async fn send_pinned(
        &self,
        link: &mut Link,
        outgoing: &mut Outgoing,
        member: Option<&LiveMember>,
    ) -> Result<Response<Incoming>, SendError> {
        let asked = Asked::head(&outgoing.head);
        let sent = link.send(outgoing.request(), member).await;
        self.tell_onward(&asked, link, true, &sent);
        sent
    }

    /// A member, and why that one.
    fn choose(
        &self,
        site: &LiveSite,
        head: &Parts,
        tried: &[lab_core::check::Member],
    ) -> Option<(Arc<LiveMember>, &'static str)> {
        let candidates = site.pool.candidates(tried);
        let secret = &self.device.secret;
        if let Some(member) =
            affinity::by_header(secret, &site.affinity, &head.headers, &candidates)
        {
            return Some((member.clone(), "header"));
        }
        let member = site.pool.spread(&candidates)?.clone();
        Some((member, site.pool.spread_name()))
    }

    fn tell_choice(&self, pool: &LivePool, member: &LiveMember, reason: &str) {
        self.visitor.conversation.tell(|| Deed::Chose {
            pool: pool.name.clone(),
            member: member.member.name.clone(),
            reason: reason.to_owned(),
            healthy: pool.members.iter().filter(|one| one.is_up()).count(),
            members: pool.members.len(),
        });
    }

    fn tell_onward(
        &self,
        asked: &Asked,
        link: &Link,
        kept: bool,
        sent: &Result<Response<Incoming>, SendError>,
    ) {
        self.visitor
            .conversation
            .tell(|| asked.onward(link.tuple, &link.member.name, link::came_back(sent), kept));
    }

    /// This client's connection to a member, and whether it was used before.
    async fn link(&self, pool: &LivePool, member: &LiveMember) -> Result<(Link, bool), String> {
        let member = &member.member;
        let revoked = self.revoked();
        let idle = self.links().take(&pool.name, member, revoked);
        if let Some(link) = idle {
            return Ok((link, true));
        }
        let open = Link::open(
            &pool.name,
            member,
            &self.device.client,
            &self.visitor.hang_up,
            pool.health.timeout,
        );
        let (link, task) = open.await?;
        self.links().own(task);
        Ok((link.proved_at(revoked), false))
    }

    fn finish(&self, link: Link, login: bool, response: Response<Incoming>) -> Response<Body> {
        let (mut head, incoming) = response.into_parts();
        let closes = exchange::closes(&head.headers);
        let mut links = self.links();
        if login || exchange::asks_for_connection_login(&head) {
            links.pin(&link);
        }
        let pinned = links.pin_of(&link.pool).is_some();
        if !closes {
            links.keep(link);
        }
        drop(links);
        exchange::inbound(&mut head, &self.device.node);
        if closes && pinned {
            head.headers
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Response::from_parts(head, incoming.boxed())
    }

    fn set_cookie(
        &self,
        name: &str,
        pool: &LivePool,
        member: &LiveMember,
        response: &mut Response<Body>,
    ) {
        let id = self.device.secret.id(pool, member);
        let cookie = affinity::set_cookie(name, &id, self.visitor.secure);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }

    fn outgoing(&self, request: Request<Incoming>) -> Outgoing {
        let (mut head, incoming) = request.into_parts();
        let login = exchange::authenticates_connection(&head.headers);
        let body = (!incoming.is_end_stream()).then(|| incoming.boxed());
        let replayable = body.is_none() && !login && exchange::is_idempotent(&head.method);
        exchange::outbound(&mut head, &self.visitor, &self.device.node);
        Outgoing {
            head,
            body,
            replayable,
            login,
        }
    }

    fn unavailable(&self, pool: &LivePool, head: &Parts) -> Response<Body> {
        for member in pool.members.iter().filter(|one| !one.is_up()) {
            self.visitor.conversation.tell(|| {
                let to = SocketAddr::new(member.member.address, member.member.port);
                let name = &member.member.name;
                Asked::head(head).onward(Tuple::tcp_to(to), name, member.trouble(), false)
            });
        }
        let rows = [("Pool", pool.name.as_str()), ("Members", "none is healthy")];
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = self.refuse(status, "Service unavailable", &rows);
        if let Ok(name) = HeaderValue::from_str(&pool.name) {
            response.headers_mut().insert(TIERLAB_MISSING, name);
        }
        response
    }

    fn lost(&self, pool: &LivePool, trouble: &str) -> Response<Body> {
        let rows = [("Pool", pool.name.as_str()), ("Trouble", trouble)];
        self.refuse(StatusCode::BAD_GATEWAY, "The member did not answer", &rows)
    }

    fn slow(&self, pool: &LivePool) -> Response<Body> {
        let rows = [("Pool", pool.name.as_str())];
        self.refuse(
            StatusCode::GATEWAY_TIMEOUT,
            "The member takes too long",
            &rows,
        )
    }

    fn refuse(&self, status: StatusCode, title: &str, rows: &[(&str, &str)]) -> Response<Body> {
        let mut all = rows.to_vec();
        all.extend([("Node", self.device.node.as_str()), ("Balancer", &self.vip)]);
        let mut response = page::page(status, title, &all);
        TierPath::of(&self.device.node).write(response.headers_mut());
        response
    }

    /// The version of what is revoked.
    fn revoked(&self) -> u64 {
        *self.device.revoked.borrow()
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing {
    /// The request, to be sent. Its body goes with it.
    fn request(&mut self) -> Request<Body> {
        Request::from_parts(
            self.head.clone(),
            self.body.take().unwrap_or_else(body::empty),
        )
    }

    /// Takes back what was not sent.
    fn take_back(&mut self, request: Request<Body>) {
        let body = request.into_body();
        self.body = (!body.is_end_stream()).then_some(body);
    }
}
