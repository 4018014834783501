//! What happens to the heads of requests and responses on their way through (RFC 9110 §7.6).

use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA, WWW_AUTHENTICATE,
};
use hyper::http::{request, response};
use hyper::{Method, StatusCode, Uri, Version};

use crate::http::accept::Visitor;
use crate::http::tier_path::{TIERLAB_MISSING, TIERLAB_PATH, TierPath};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes the head that goes to the member: hop-by-hop fields out, where it came from in, the
/// Host as the client wrote it.
pub(super) fn outbound(head: &mut request::Parts, visitor: &Visitor, node: &str) {
    let headers = &mut head.headers;
    drop_hop_by_hop(headers);
    // The client's body is read as soon as it is wanted: the member needs not ask for it.
    headers.remove(EXPECT);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(TIERLAB_PATH);
    headers.remove(TIERLAB_MISSING);
    append(headers, FORWARDED_FOR, &visitor.address.ip().to_string());
    let scheme = if visitor.secure { "https" } else { "http" };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    append(headers, VIA, &format!("1.1 {node}"));
    // RFC 9112 §3.2.2: the authority of an absolute target replaces the Host.
    if let Some(host) = head
        .uri
        .authority()
        .and_then(|name| HeaderValue::from_str(name.as_str()).ok())
    {
        headers.insert(HOST, host);
    }
    if let Some(target) = head.uri.path_and_query() {
        head.uri = Uri::from(target.clone());
    }
    head.version = Version::HTTP_11;
}

/// Makes the head that goes to the client.
pub(super) fn inbound(head: &mut response::Parts, node: &str) {
    drop_hop_by_hop(&mut head.headers);
    append(&mut head.headers, VIA, &format!("1.1 {node}"));
    let mut path = TierPath::of(node);
    if let Some(asked) = TierPath::read(&head.headers) {
        path.append(asked);
    }
    path.write(&mut head.headers);
}

/// Whether it says that the connection ends after it.
pub(super) fn closes(headers: &HeaderMap) -> bool {
    listed(headers).any(|name| name.eq_ignore_ascii_case("close"))
}

/// Whether a request logs in to the connection it travels on: NTLM, and Negotiate where it
/// carries NTLM ([MS-NTHT] §3, RFC 4559 §6).
pub(super) fn authenticates_connection(headers: &HeaderMap) -> bool {
    headers
        .get_all(hyper::header::AUTHORIZATION)
        .iter()
        .any(is_of_connection)
}

/// Whether a response asks for such a login.
pub(super) fn asks_for_connection_login(head: &response::Parts) -> bool {
    head.status == StatusCode::UNAUTHORIZED
        && head
            .headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .any(is_of_connection)
}

/// Whether a request may be sent a second time, to another member (RFC 9110 §9.2.2).
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

fn is_of_connection(value: &HeaderValue) -> bool {
    let scheme = value
        .as_bytes()
        .split(|byte| *byte == b' ' || *byte == b',')
        .next();
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case(b"NTLM") || scheme.eq_ignore_ascii_case(b"Negotiate")
    })
}

fn listed(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = listed(headers)
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .collect();
    let always = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.into_iter().filter(|name| !kept(name)).chain(always) {
        headers.remove(name);
    }
}

/// Fields that a client must not have removed by naming them in `Connection`.
fn kept(name: &HeaderName) -> bool {
    *name == HOST || *name == FORWARDED_FOR || *name == hyper::header::CONTENT_LENGTH
}

fn append(headers: &mut HeaderMap, name: HeaderName, last: &str) {
    let mut items: Vec<&str> = headers
        .get_all(&name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    items.push(last);
    if let Ok(value) = HeaderValue::from_str(&items.join(", ")) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_this_hop_end_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Mine, Host"),
            ("x-mine", "1"),
            ("host", "a.example"),
            ("transfer-encoding", "chunked"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        drop_hop_by_hop(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host", "accept"]);
    }

    #[test]
    fn lists_grow_at_their_end() {
        let mut headers = HeaderMap::new();
        append(&mut headers, VIA, "1.1 lb");
        append(&mut headers, VIA, "1.1 hlb");
        assert_eq!(headers[VIA], "1.1 lb, 1.1 hlb");
    }

    #[test]
    fn ntlm_and_negotiate_log_in_connections_and_bearer_does_not() {
        for (value, of_connection) in [
            ("NTLM TlRM", true),
            ("negotiate", true),
            ("Bearer x", false),
            ("NTLMv3 x", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::from_static(value));
            assert_eq!(authenticates_connection(&headers), of_connection, "{value}");
        }
    }
}
