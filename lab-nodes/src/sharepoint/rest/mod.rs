//! REST: `_api`, as clients of SharePoint 2013 use it ([MS-CSOMREST], OData 2 and 3).
//!
//! - `address`: what a path names; `options`: what of it is wanted;
//! - `node`: from segment to segment to something; `describe`: its properties;
//! - `entity`: how they are written; `change`: POST, MERGE, DELETE; `search`: what is asked of the
//!   search tier.

pub mod address;
mod change;
mod describe;
pub mod entity;
mod node;
pub mod options;
mod search;

pub(super) use search::find;

use hyper::header::{ETAG, HeaderName};
use hyper::{Method, Response, StatusCode};

use super::answer;
use super::farm::{Answered, Need, Trouble, Visit};
use super::library::{StoreError, Web};
use super::path::ServerPath;
use crate::http::body::Body;
use crate::http::form;
use address::Segment;
use entity::{Entity, Form};
use node::Node;
use options::Options;

/// A request below `_api` of a site.
struct Call<'a> {
    visit: &'a Visit<'a>,
    web: Web,
    segments: Vec<Segment>,
    options: Options,
    form: Form,
    /// Address of the site, without a slash at its end.
    site: String,
    /// What to do, where POST stands for it.
    method: String,
}

/// Answers what is asked below `_api`; none: it is elsewhere.
pub(super) async fn answer(visit: &Visit<'_>) -> Option<Response<Body>> {
    let small = visit.path.to_ascii_lowercase();
    let at = small.find("/_api/").or_else(|| {
        let at = small.len().checked_sub("/_api".len())?;
        small.ends_with("/_api").then_some(at)
    })?;
    let form = Form::wanted(visit.header("accept").unwrap_or_default());
    let (site, rest) = visit.path.split_at(at);
    let rest = rest.get("/_api/".len()..).unwrap_or_default();
    let answered = respond(visit, site, rest, form).await;
    Some(answered.unwrap_or_else(|trouble| {
        let status = trouble.status();
        if status.is_server_error() {
            tracing::error!("{} {}: {trouble}", visit.method, visit.path);
        } else {
            tracing::info!("{} {} refused: {trouble}", visit.method, visit.path);
        }
        let text = entity::error(code(&trouble), &trouble.sentence(), form);
        let kind = match form {
            Form::Atom => "application/xml;charset=utf-8",
            json => json.content_type(),
        };
        answer::with(status, kind, text)
    }))
}

async fn respond(visit: &Visit<'_>, site: &str, rest: &str, form: Form) -> Answered {
    let site = match site {
        "" => ServerPath::root(),
        site => ServerPath::from_url(site)?,
    };
    let web = visit.web(&site, Need::Read).await?;
    let asked = form::Form::read(visit.query.as_bytes())
        .map_err(|error| Trouble::bad(error.to_string()))?;
    let alias = |name: &str| {
        let (value, rest) = address::value(asked.get(name)?, &|_| None)?;
        rest.trim().is_empty().then_some(value)
    };
    let segments = address::parse(rest, alias);
    let segments = segments.ok_or_else(|| Trouble::bad("the address is malformed"))?;
    let options = Options::read(visit.query);
    let options = options.ok_or_else(|| Trouble::bad("a query option is malformed"))?;
    let base = web.path.as_str().trim_end_matches('/').to_owned();
    let base = if base.is_empty() {
        base
    } else {
        web.path.encoded()
    };
    let method = visit
        .header("x-http-method")
        .unwrap_or(visit.method.as_str());
    let tunnelled = *visit.method == Method::POST;
    let call = Call {
        visit,
        site: format!("https://{}{base}", visit.application.host),
        web,
        segments,
        options,
        form,
        method: match tunnelled {
            true => method.to_ascii_uppercase(),
            false => visit.method.as_str().to_owned(),
        },
    };
    let first = call
        .segments
        .first()
        .map_or("", |segment| segment.name.as_str());
    match first {
        "contextinfo" if *visit.method == Method::POST => return Ok(context_info(&call)),
        "search" => return search::answer(&call).await,
        _ => {}
    }
    match call.method.as_str() {
        "GET" | "HEAD" => {
            let node = node::find(&call, &call.segments).await?;
            show(&call, node).await
        }
        "POST" | "PUT" | "MERGE" | "PATCH" | "DELETE" => {
            visit.check_digest(visit.header("x-requestdigest"))?;
            change::answer(&call).await
        }
        _ => Err(Trouble::Refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "no such method is known here".into(),
        )),
    }
}

/// Answers with what was found.
async fn show(call: &Call<'_>, node: Node) -> Answered {
    let (form, site, options) = (call.form, call.site.as_str(), &call.options);
    let kind = form.content_type();
    if let Node::Content(item) = &node {
        return super::pages::file(call.visit, item).await;
    }
    if let Node::OldContent(bytes) = node {
        return Ok(answer::with(
            StatusCode::OK,
            "application/octet-stream",
            bytes,
        ));
    }
    if let Node::Value(name, value) = &node {
        let text = entity::value(name, value, "", form, site);
        let kind = if form == Form::Atom {
            "application/xml;charset=utf-8"
        } else {
            kind
        };
        return Ok(answer::with(StatusCode::OK, kind, text));
    }
    if let Node::Raw(text) = node {
        return Ok(answer::with(
            StatusCode::OK,
            "text/plain;charset=utf-8",
            text,
        ));
    }
    if node.is_many() {
        let entities = node::members(call, &node).await?;
        let mut entities = options.apply(entities);
        for entity in &mut entities {
            node::expand(call, entity).await?;
        }
        let text = entity::many(&entities, &node.address(), form, site, options);
        return Ok(answer::with(StatusCode::OK, kind, text));
    }
    let mut entity = node::entity(call, &node)?;
    node::expand(call, &mut entity).await?;
    Ok(written(call, &entity, StatusCode::OK))
}

/// One entity as an answer.
fn written(call: &Call<'_>, entity: &Entity, status: StatusCode) -> Response<Body> {
    let text = entity::one(entity, call.form, &call.site, &call.options);
    let mut response = answer::with(status, call.form.content_type(), text);
    if let Some(etag) = &entity.etag {
        answer::set(&mut response, ETAG, etag);
    }
    let version = HeaderName::from_static("dataserviceversion");
    answer::set(&mut response, version, "3.0");
    response
}

/// The form digest, and what clients learn with it.
fn context_info(call: &Call<'_>) -> Response<Body> {
    let info = serde_json::json!({
        "FormDigestTimeoutSeconds": super::digest::LASTS.as_secs(),
        "FormDigestValue": call.visit.digest(),
        "LibraryVersion": "15.0.4420.1017",
        "SiteFullUrl": format!("https://{}", call.visit.application.host),
        "SupportedSchemaVersions": ["14.0.0.0", "15.0.0.0"],
        "WebFullUrl": call.site,
    });
    let name = "GetContextWebInformation";
    let text = entity::value(
        name,
        &info,
        "SP.ContextWebInformation",
        call.form,
        &call.site,
    );
    let kind = match call.form {
        Form::Atom => "application/xml;charset=utf-8",
        json => json.content_type(),
    };
    answer::with(StatusCode::OK, kind, text)
}

/// The code of SharePoint for what went wrong: an HRESULT and the name of an exception.
fn code(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Denied(_) => "-2147024891, System.UnauthorizedAccessException",
        Trouble::Digest => "-2130575252, Microsoft.SharePoint.SPException",
        Trouble::Refused(..) => "-1, Microsoft.SharePoint.Client.InvalidClientQueryException",
        Trouble::Store(error) => match error {
            StoreError::Missing("list") => "-1, System.ArgumentException",
            StoreError::Missing("file") | StoreError::Missing("folder") => {
                "-2147024894, System.IO.FileNotFoundException"
            }
            StoreError::Missing(_) => "-1, Microsoft.SharePoint.Client.ResourceNotFoundException",
            StoreError::Exists => "-2130575257, Microsoft.SharePoint.SPException",
            StoreError::Changed => "-1, Microsoft.SharePoint.Client.ClientServiceException",
            StoreError::Locked(_) => "-2147018894, Microsoft.SharePoint.SPFileLockException",
            _ => "-1, Microsoft.SharePoint.SPException",
        },
    }
}
