//! WebDAV (RFC 4918), class 1 and 2: a site is a collection of its libraries, folders are
//! collections, documents are resources. Classes and methods that lists would need are not there.
//!
//! - `xml`, `condition`: what requests say;
//! - `place`: what a URL names; `properties`: what is known of it; `find`: PROPFIND, PROPPATCH;
//! - `change`: PUT, MKCOL, DELETE, COPY, MOVE; `lock`: LOCK, UNLOCK.

mod change;
pub mod condition;
mod find;
mod lock;
mod place;
mod properties;
pub mod xml;

use hyper::header::{ALLOW, HeaderName};
use hyper::{Method, StatusCode};

use super::answer;
use super::farm::{Answered, Need, Trouble, Visit};
use super::path::ServerPath;
use condition::List;
use place::Place;

const METHODS: &str =
    "GET, HEAD, POST, OPTIONS, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK";

/// Answers a method that pages do not have.
pub(super) async fn answer(visit: &Visit<'_>) -> Answered {
    if *visit.method == Method::OPTIONS {
        return Ok(options());
    }
    let path = ServerPath::from_url(visit.path)?;
    let need = match visit.method.as_str() {
        "PROPFIND" => Need::Read,
        "PUT" | "DELETE" | "PROPPATCH" | "MKCOL" | "COPY" | "MOVE" | "LOCK" | "UNLOCK" => {
            Need::Write
        }
        _ => {
            let mut response = answer::bare(StatusCode::METHOD_NOT_ALLOWED);
            answer::set(&mut response, ALLOW, METHODS);
            return Ok(response);
        }
    };
    // To copy is to read here.
    let here = match visit.method.as_str() {
        "COPY" => Need::Read,
        _ => need,
    };
    let web = visit.web(&path, here).await?;
    let place = Place::find(visit, &web, &path).await?;
    let tokens = conditions(visit, &place).await?;
    match visit.method.as_str() {
        "PROPFIND" => find::find(visit, &place).await,
        "PROPPATCH" => find::patch(visit, &place, &tokens).await,
        "PUT" => change::put(visit, &place, &tokens).await,
        "MKCOL" => change::make(visit, &place, &tokens).await,
        "DELETE" => change::delete(visit, &place, &tokens).await,
        "COPY" => change::carry(visit, &place, &tokens, true).await,
        "MOVE" => change::carry(visit, &place, &tokens, false).await,
        "LOCK" => lock::lock(visit, &place, &tokens).await,
        _ => lock::unlock(visit, &place).await,
    }
}

fn options() -> hyper::Response<crate::http::body::Body> {
    let mut response = answer::bare(StatusCode::OK);
    let field = HeaderName::from_static;
    answer::set(&mut response, ALLOW, METHODS);
    answer::set(&mut response, field("public"), METHODS);
    answer::set(&mut response, field("dav"), "1,2");
    answer::set(&mut response, field("ms-author-via"), "DAV");
    answer::set(
        &mut response,
        field("docmanagementserver"),
        "Properties Schema;Source Control;Version History;",
    );
    response
}

/// The locks that the client knows, where what its If header says is so.
async fn conditions(visit: &Visit<'_>, place: &Place) -> Result<Vec<String>, Trouble> {
    let Some(header) = visit.headers.get("if") else {
        return Ok(Vec::new());
    };
    let lists = header.to_str().ok().and_then(condition::parse);
    let lists = lists.ok_or_else(|| Trouble::bad("the If header is malformed"))?;
    let mut tokens = condition::tokens(&lists);
    let store = &visit.farm.library;
    let root = &place.web.path;
    let held = store
        .locks(Some(visit.conversation), &place.web, root, true)
        .await?;
    // Anybody can read a lock's name; only who took it may use it (RFC 4918 §6.4).
    let login = &visit.principal.login;
    tokens.retain(|token| {
        held.iter()
            .any(|held| held.token == *token && held.login == *login)
    });
    for list in &lists {
        if holds(visit, place, list).await? {
            return Ok(tokens);
        }
    }
    Err(super::library::StoreError::Changed.into())
}

async fn holds(visit: &Visit<'_>, place: &Place, list: &List) -> Result<bool, Trouble> {
    let elsewhere;
    let place = match &list.resource {
        None => place,
        Some(url) => {
            let Some(path) = local(visit, url) else {
                return Ok(false);
            };
            let web = visit.web(&path, Need::Read).await?;
            elsewhere = Place::find(visit, &web, &path).await?;
            &elsewhere
        }
    };
    let library = &visit.farm.library;
    let held = library
        .locks(Some(visit.conversation), &place.web, &place.path, false)
        .await?;
    let tokens: Vec<String> = held.into_iter().map(|held| held.token).collect();
    Ok(list.holds(&tokens, place.tag().as_deref()))
}

/// The path of a URL of this web application; none: it is elsewhere.
fn local(visit: &Visit<'_>, url: &str) -> Option<ServerPath> {
    if url.starts_with('/') && !url.starts_with("//") {
        return ServerPath::from_url(url).ok();
    }
    let url: hyper::Uri = url.parse().ok()?;
    let here = url.host()?.eq_ignore_ascii_case(&visit.application.host);
    // A balancer may have another scheme outside; the host is what counts.
    here.then(|| ServerPath::from_url(url.path()).ok())
        .flatten()
}
