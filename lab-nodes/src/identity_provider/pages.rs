//! What people see.

use data_encoding::BASE64;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use hyper::{Response, StatusCode};

use super::settings::RelyingParty;
use crate::http::body::{Body, full};
use crate::saml::escape;

const STYLE: &str = "body{margin:0;min-height:100vh;display:grid;place-items:center;\
    background:linear-gradient(160deg,#1f4e79,#2b88d8);font:16px/1.5 'Segoe UI',system-ui,sans-serif;\
    color:#222}main{background:#fff;border-radius:8px;box-shadow:0 12px 40px #0005;padding:2.5rem;\
    width:min(22rem,80vw)}h1{margin:0 0 .25rem;font-size:1.5rem;font-weight:600}p{margin:.25rem 0 1.25rem;\
    color:#555}label{display:block;margin:0 0 1rem;font-size:.9rem}input{display:block;width:100%;\
    box-sizing:border-box;margin-top:.25rem;padding:.6rem;border:1px solid #bbb;border-radius:4px;\
    font:inherit}button{width:100%;padding:.7rem;border:0;border-radius:4px;background:#0f6cbd;color:#fff;\
    font:inherit;font-weight:600;cursor:pointer}.wrong{background:#fde7e9;color:#8a1420;padding:.6rem;\
    border-radius:4px}";
/// Sends the only form of a page.
const SUBMIT: &str = "document.forms[0].submit()";

/// The login page: its form goes back to where the page came from.
pub(super) fn login(
    status: StatusCode,
    title: &str,
    site: &str,
    user: &str,
    trouble: Option<&str>,
    carried: &[(String, String)],
) -> Response<Body> {
    let trouble = trouble.map_or(String::new(), |trouble| {
        format!("<p class=\"wrong\" role=\"alert\">{}</p>", escape(trouble))
    });
    let carried: Vec<(&str, &str)> = carried
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let content = format!(
        "<h1>{title}</h1><p>Sign in to go on to {site}</p>{trouble}\
         <form method=\"post\" autocomplete=\"on\">{hidden}\
         <label>User name<input name=\"UserName\" type=\"email\" value=\"{user}\" required autofocus \
         autocomplete=\"username\" placeholder=\"someone@example.com\"></label>\
         <label>Password<input name=\"Password\" type=\"password\" required \
         autocomplete=\"current-password\"></label>\
         <input type=\"hidden\" name=\"AuthMethod\" value=\"FormsAuthentication\">\
         <button>Sign in</button></form>",
        title = escape(title),
        site = escape(site),
        user = escape(user),
        hidden = hidden(&carried),
    );
    html(status, title, &content, "")
}

/// A page that sends a form on to a site by itself.
pub(super) fn forward(title: &str, to: &str, fields: &[(&str, &str)]) -> Response<Body> {
    let content = format!(
        "<h1>{title}</h1><p>You are signed in.</p>\
         <form method=\"post\" action=\"{to}\">{hidden}<button>Go on</button></form>\
         <script>{SUBMIT}</script>",
        title = escape(title),
        to = escape(to),
        hidden = hidden(fields),
    );
    html(StatusCode::OK, title, &content, "")
}

/// The page of somebody who signed out; the sites that they used are told by pictures
/// (WS-Federation 1.2 §13.2.4).
pub(super) fn signed_out(
    title: &str,
    visited: &[&RelyingParty],
    back: Option<&str>,
) -> Response<Body> {
    let told: String = visited
        .iter()
        .filter_map(|party| party.replies.first())
        .map(|reply| {
            let mark = if reply.contains('?') { '&' } else { '?' };
            let at = format!("{reply}{mark}wa=wsignoutcleanup1.0");
            format!(
                "<img src=\"{}\" alt=\"\" width=\"1\" height=\"1\">",
                escape(&at)
            )
        })
        .collect();
    let back = back.map_or(String::new(), |back| {
        format!("<p><a href=\"{}\">Back to the site</a></p>", escape(back))
    });
    let content = format!(
        "<h1>{}</h1><p>You are signed out.</p>{told}{back}",
        escape(title)
    );
    html(StatusCode::OK, title, &content, "img-src https:; ")
}

/// A page that says what is wrong.
pub(super) fn trouble(status: StatusCode, title: &str, what: &str) -> Response<Body> {
    let content = format!(
        "<h1>{}</h1><p class=\"wrong\" role=\"alert\">{}</p>",
        escape(title),
        escape(what)
    );
    html(status, title, &content, "")
}

fn hidden(fields: &[(&str, &str)]) -> String {
    fields
        .iter()
        .map(|(name, value)| {
            let (name, value) = (escape(name), escape(value));
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
        })
        .collect()
}

fn html(status: StatusCode, title: &str, content: &str, more: &str) -> Response<Body> {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
         <style>{STYLE}</style></head><body><main>{content}</main></body></html>\n",
        escape(title)
    );
    let mut response = Response::new(full(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let digest = ring::digest::digest(&ring::digest::SHA256, SUBMIT.as_bytes());
    let policy = format!(
        "default-src 'none'; {more}style-src 'unsafe-inline'; script-src 'sha256-{}'; \
         frame-ancestors 'none'; base-uri 'none'",
        BASE64.encode(digest.as_ref())
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
