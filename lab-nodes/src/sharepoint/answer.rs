//! Answers, and what every one of them carries.

use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_NONE_MATCH, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use super::library::{Expected, StoreError};
use crate::http::body::{self, Body};

/// The version of SharePoint that clients are told: 2013.
const VERSION: &str = "15.0.0.4420";
/// What pages may load: nothing but their own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; \
                      form-action 'self' https:; frame-src https:; frame-ancestors 'self'; base-uri 'none'";

/// An answer with a body.
pub(super) fn with(
    status: StatusCode,
    kind: &str,
    content: impl Into<hyper::body::Bytes>,
) -> Response<Body> {
    let mut response = Response::new(body::full(content));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, kind);
    response
}

/// One without.
pub(super) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response
}

/// A page.
pub(super) fn html(status: StatusCode, page: String) -> Response<Body> {
    let mut response = with(status, "text/html; charset=utf-8", page);
    set(
        &mut response,
        HeaderName::from_static("content-security-policy"),
        POLICY,
    );
    response
}

/// Go there.
pub(super) fn redirect(to: &str) -> Response<Body> {
    let mut response = bare(StatusCode::FOUND);
    set(&mut response, LOCATION, to);
    response
}

/// Puts a field into an answer, unless no field can have that value.
pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The connection can't be used again: something of the request still stands in it.
pub(super) fn close(response: &mut Response<Body>) {
    set(response, CONNECTION, "close");
}

/// Adds what every answer has.
pub(super) fn finish(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    let version = HeaderName::from_static("microsoftsharepointteamservices");
    headers.insert(version, HeaderValue::from_static(VERSION));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let private = HeaderValue::from_static("private, max-age=0");
    headers.entry(CACHE_CONTROL).or_insert(private);
}

/// What a request expects to be there.
pub(super) fn expected(headers: &HeaderMap) -> Expected {
    let tags = |name| {
        let fields: Vec<&str> = (headers.get_all(name).iter())
            .filter_map(|value| value.to_str().ok())
            .collect();
        (!fields.is_empty()).then(|| tags(&fields.join(",")))
    };
    Expected {
        matching: tags(IF_MATCH),
        none_matching: tags(IF_NONE_MATCH),
    }
}

/// Tags of a list; those of files have commas in them.
pub(super) fn tags(list: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let (mut tag, mut quoted) = (String::new(), false);
    for character in list.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                tag.push('"');
            }
            ',' if !quoted => tags.push(std::mem::take(&mut tag)),
            other => tag.push(other),
        }
    }
    tags.push(tag);
    tags.into_iter()
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| !tag.is_empty())
        .collect()
}

/// The status that says why something was not stored.
pub(super) fn status_of(error: &StoreError) -> StatusCode {
    match error {
        StoreError::Database(_) | StoreError::NoRandomNumbers => StatusCode::SERVICE_UNAVAILABLE,
        StoreError::Path(_) => StatusCode::BAD_REQUEST,
        StoreError::Missing(_) => StatusCode::NOT_FOUND,
        StoreError::Exists | StoreError::Changed => StatusCode::PRECONDITION_FAILED,
        StoreError::NoPlace => StatusCode::CONFLICT,
        StoreError::Locked(_) => StatusCode::LOCKED,
        StoreError::Impossible(_) => StatusCode::FORBIDDEN,
    }
}

#[cfg(test)]
mod tests {
    use super::tags;

    #[test]
    fn tags_with_commas_are_one() {
        assert_eq!(tags("\"{A},1\", W/\"2\" ,*"), ["\"{A},1\"", "W/\"2\"", "*"]);
        assert_eq!(tags(" , "), [""; 0]);
        assert_eq!(tags("\"open, end"), ["\"open, end"]);
    }
}
