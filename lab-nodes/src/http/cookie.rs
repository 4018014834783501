//! Cookies that a client shows.

use hyper::HeaderMap;
use hyper::header::COOKIE;

/// The value of a cookie among a request's Cookie fields (RFC 6265 §4.2.1).
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let fields = headers.get_all(COOKIE).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_in_any_field() {
        let mut headers = HeaderMap::new();
        for field in ["a=1; FedAuth=x=y ;c", "d=4;e="] {
            headers.append(COOKIE, field.parse().expect("a value"));
        }
        for (name, value) in [("a", "1"), ("FedAuth", "x=y"), ("d", "4"), ("e", "")] {
            assert_eq!(cookie(&headers, name), Some(value));
        }
        assert_eq!(cookie(&headers, "c"), None);
        assert_eq!(cookie(&headers, "fedauth"), None);
    }
}
