//! The host that a request is for (RFC 9112 §3.2).

use hyper::Request;
use hyper::header::HOST;
use hyper::http::uri::Authority;

/// The host name or address, in lower case, without port and brackets: that of the request's
/// target where it has one, else that of its only Host field. None: the request is malformed.
pub fn of<B>(request: &Request<B>) -> Option<String> {
    let mut fields = request.headers().get_all(HOST).iter();
    let (field, more) = (fields.next(), fields.next());
    if more.is_some() {
        return None;
    }
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => field?.to_str().ok()?.parse::<Authority>().ok()?,
    };
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority
        .host()
        .trim_matches(['[', ']'])
        .trim_end_matches('.');
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    fn host(uri: &str, fields: &[&str]) -> Option<String> {
        let request = fields
            .iter()
            .fold(Request::builder().uri(uri), |r, f| r.header("host", *f));
        super::of(&request.body(()).expect("a request"))
    }

    #[test]
    fn the_host_is_read_without_its_port() {
        assert_eq!(
            host("/", &["Intranet.Contoso.com:443"]).as_deref(),
            Some("intranet.contoso.com")
        );
        assert_eq!(
            host("/", &["[2001:db8::1]:443"]).as_deref(),
            Some("2001:db8::1")
        );
        assert_eq!(
            host("https://a.example/x", &["b.example"]).as_deref(),
            Some("a.example")
        );
    }

    #[test]
    fn none_two_or_a_strange_one_are_malformed() {
        assert_eq!(host("/", &[]), None);
        assert_eq!(host("/", &["a.example", "b.example"]), None);
        assert_eq!(host("/", &["user@a.example"]), None);
        assert_eq!(host("/", &["a example"]), None);
    }
}
