//! A request and its answer.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::answer;
use super::farm::{Answered, Farm, Trouble, Visit};
use super::options::SignIn;
use super::principal::Principal;
use super::settings::Application;
use super::{dav, office, pages, rest, sign_in};
use crate::http::accept::Visitor;
use crate::http::asked::Asked;
use crate::http::body::{self, Body, BodyError};
use crate::http::tier_path::TierPath;
use crate::http::{host, page};
use crate::login::{Door, Entry, Farewell};

/// Answered by the node itself, without asking anybody.
pub(super) const HEALTH: &str = "/health";
/// Longest body of a sign-in, and of a request that nobody signed in for, in bytes.
const LONGEST_SIGN_IN: usize = 1 << 20;

/// One connection of a client.
pub(super) struct Seat {
    visitor: Visitor,
    door: Option<Door>,
    /// Who got a cookie on it already.
    issued: Mutex<Option<String>>,
}

impl Seat {
    pub fn new(farm: &Farm, visitor: Visitor) -> Self {
        let door = farm.guard.as_ref().map(|guard| guard.door(&visitor));
        Self {
            visitor,
            door,
            issued: Mutex::default(),
        }
    }
}

/// Answers a request, and tells of it.
pub(super) async fn reply(farm: &Farm, seat: &Seat, request: Request<Incoming>) -> Response<Body> {
    let asked = Asked::new(&request);
    let mut response = answer(farm, seat, request).await;
    answer::finish(&mut response);
    TierPath::of(&farm.node).write(response.headers_mut());
    let conversation = &seat.visitor.conversation;
    conversation.tell(|| asked.served(response.status()));
    response
}

async fn answer(farm: &Farm, seat: &Seat, request: Request<Incoming>) -> Response<Body> {
    let name = host::of(&request);
    let (head, incoming) = request.into_parts();
    if head.uri.path() == HEALTH {
        return page::line(StatusCode::OK, &format!("{} is well.", farm.node));
    }
    let application = name.and_then(|name| farm.settings.applications.get(&name));
    let Some(application) = application else {
        let text = "No web application of this farm has that name.";
        let mut response = page::line(StatusCode::NOT_FOUND, text);
        answer::close(&mut response);
        return response;
    };
    let path = head.uri.path();
    let conversation = &seat.visitor.conversation;
    match (&head.method, path) {
        (&Method::GET | &Method::HEAD, sign_in::PAGE) => {
            return sign_in::page(farm, application, head.uri.query().unwrap_or(""), None);
        }
        (&Method::POST, sign_in::PAGE) => {
            return match read(incoming, &head, LONGEST_SIGN_IN).await {
                Ok(body) => {
                    sign_in::by_form(farm, application, conversation, &head.headers, &body).await
                }
                Err(refusal) => refusal,
            };
        }
        (&Method::POST, sign_in::TRUST | "/_trust/default.aspx") => {
            return match read(incoming, &head, LONGEST_SIGN_IN).await {
                Ok(body) => sign_in::by_token(farm, application, conversation, &body).await,
                Err(refusal) => refusal,
            };
        }
        (&Method::GET, sign_in::TRUST | "/_trust/default.aspx") => {
            return sign_in::to_provider(farm, application, head.uri.query().unwrap_or(""));
        }
        _ => {}
    }
    if let Some(office) = farm
        .office
        .as_ref()
        .filter(|office| office.host.serves(path))
    {
        return match read(incoming, &head, farm.settings.upload_limit).await {
            Ok(body) => {
                let request = Request::from_parts(head, body);
                office.host.answer(&request, conversation).await
            }
            Err(refusal) => refusal,
        };
    }
    let known = match who(farm, seat, application, &head).await {
        Ok(known) => known,
        Err(mut refusal) => {
            // The rest of the body stands in the way of the next request on this connection, and
            // NTLM needs the connection.
            if read(incoming, &head, farm.settings.upload_limit)
                .await
                .is_err()
            {
                answer::close(&mut refusal);
            }
            return refusal;
        }
    };
    let mut response = match read(incoming, &head, farm.settings.upload_limit).await {
        Ok(body) => serve(farm, seat, application, &known.principal, &head, body).await,
        Err(refusal) => refusal,
    };
    if let Some(cookie) = known.cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    known.farewell.apply(&mut response);
    response
}

/// Somebody who signed in, now or before.
struct Known {
    principal: Principal,
    /// For the next request.
    cookie: Option<HeaderValue>,
    farewell: Farewell,
}

async fn who(
    farm: &Farm,
    seat: &Seat,
    application: &Application,
    head: &Parts,
) -> Result<Known, Response<Body>> {
    if let Some(principal) = farm.sessions.who(&application.host, &head.headers).await {
        return Ok(Known {
            principal,
            cookie: None,
            farewell: Farewell::default(),
        });
    }
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let challenges = match &seat.door {
        Some(door) if application.offers(SignIn::Windows) => {
            match door.knock(&head.headers).await {
                Entry::Known(identity, farewell) => {
                    let principal = sign_in::by_windows(farm, &identity);
                    let cookie = issue(farm, seat, application, &principal).await;
                    return Ok(Known {
                        principal,
                        cookie,
                        farewell,
                    });
                }
                Entry::Challenge(fields) | Entry::Refused(fields) => fields,
                Entry::Unavailable(_) => {
                    let text = "Nobody can log in at the moment: no domain controller answers.";
                    return Err(page::line(StatusCode::SERVICE_UNAVAILABLE, text));
                }
            }
        }
        _ => Vec::new(),
    };
    // Who chose Windows is asked by Windows, though there are pages for other ways.
    let chosen = head.uri.path() == sign_in::WINDOWS
        || head.headers.contains_key(hyper::header::AUTHORIZATION);
    let method = match chosen {
        true => &Method::POST,
        false => &head.method,
    };
    Err(sign_in::ask(
        application,
        method,
        &head.headers,
        target,
        challenges,
    ))
}

/// A cookie, so that no front end asks this client again; one for each connection.
async fn issue(
    farm: &Farm,
    seat: &Seat,
    application: &Application,
    principal: &Principal,
) -> Option<HeaderValue> {
    let what = format!("{} {}", application.host, principal.login);
    {
        let mut issued = seat.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if issued.as_ref() == Some(&what) {
            return None;
        }
        *issued = Some(what);
    }
    farm.sessions.keep(&application.host, principal).await
}

async fn read(incoming: Incoming, head: &Parts, limit: usize) -> Result<Bytes, Response<Body>> {
    let too_long = || {
        let text = format!("More than {limit} bytes are not taken.");
        let mut response = page::line(StatusCode::PAYLOAD_TOO_LARGE, &text);
        answer::close(&mut response);
        response
    };
    let said = head.headers.get(CONTENT_LENGTH);
    let said = said.and_then(|said| said.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said > limit as u64) {
        return Err(too_long());
    }
    body::read(incoming, limit)
        .await
        .map_err(|error| match error {
            BodyError::TooLong(_) => too_long(),
            BodyError::Broken(_) => {
                let mut response = page::line(StatusCode::BAD_REQUEST, "The body broke off.");
                answer::close(&mut response);
                response
            }
        })
}

async fn serve(
    farm: &Farm,
    seat: &Seat,
    application: &Application,
    principal: &Principal,
    head: &Parts,
    body: Bytes,
) -> Response<Body> {
    let visit = Visit {
        farm,
        application,
        principal,
        conversation: &seat.visitor.conversation,
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or(""),
        headers: &head.headers,
        body,
    };
    if let Some(answered) = rest::answer(&visit).await {
        return answered;
    }
    let answered = match (visit.method.as_str(), visit.path) {
        ("GET" | "HEAD", sign_in::WINDOWS) => Ok(back(&visit)),
        ("GET" | "HEAD", office::FRAME) => office::frame(&visit).await,
        ("POST", path) if path.eq_ignore_ascii_case(sign_in::SIGN_OUT) => {
            if sign_in::from_here(application, &head.headers) {
                seat.visitor.hang_up.notify_one();
                Ok(sign_in::out(farm, application, Some(principal), &head.headers).await)
            } else {
                Err(Trouble::Digest)
            }
        }
        ("GET" | "HEAD" | "POST", _) => pages::answer(&visit).await,
        _ => dav::answer(&visit).await,
    };
    finish(&visit, answered)
}

/// Where somebody wanted to go before Windows asked.
fn back(visit: &Visit<'_>) -> Response<Body> {
    let form = crate::http::form::Form::read(visit.query.as_bytes()).unwrap_or_default();
    answer::redirect(sign_in::own(form.get("ReturnUrl").unwrap_or("/")))
}

/// The answer, or a page or a line that says why there is none.
fn finish(visit: &Visit<'_>, answered: Answered) -> Response<Body> {
    let trouble = match answered {
        Ok(response) => return response,
        Err(trouble) => trouble,
    };
    let status = trouble.status();
    if status.is_server_error() {
        tracing::error!("{} {}: {trouble}", visit.method, visit.path);
    } else {
        tracing::info!("{} {} refused: {trouble}", visit.method, visit.path);
    }
    let pages = sign_in::is_page(visit.method, visit.headers) || *visit.method == Method::POST;
    let mut response = match pages {
        true => answer::html(status, pages::trouble(visit, &trouble)),
        false => page::line(status, &trouble.sentence()),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let missing = crate::http::tier_path::TIERLAB_MISSING;
        answer::set(&mut response, missing, "SharePoint database");
    }
    response
}

/// What the connections of a listener share.
pub(super) type Shared = Arc<Farm>;
