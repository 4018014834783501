//! Cookies (RFC 6265), without times: a scenario is over before one ends, and `Max-Age` of 0 or less
//! removes one at once.

use lab_core::scenario::client::Cookie;

use super::url::Url;

/// The Cookie field for a request.
pub fn field(cookies: &[Cookie], url: &Url) -> Option<String> {
    let mut mine: Vec<&Cookie> = cookies.iter().filter(|one| is_for(one, url)).collect();
    // Longer paths come first (§5.4).
    mine.sort_by_key(|one| std::cmp::Reverse(one.path.len()));
    let pairs: Vec<String> = mine
        .iter()
        .map(|one| format!("{}={}", one.name, one.value))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join("; "))
}

/// Takes a Set-Cookie field of an answer.
pub fn take(cookies: &mut Vec<Cookie>, field: &str, url: &Url) {
    let mut parts = field.split(';');
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
        return;
    };
    let mut cookie = Cookie {
        domain: url.host.clone(),
        below: false,
        path: default_path(url),
        secure: false,
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    };
    let mut gone = false;
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                // A server may speak for its own domain only (§5.3, 6).
                if !is_below(&url.host, &domain) || !domain.contains('.') {
                    return;
                }
                cookie.domain = domain;
                cookie.below = true;
            }
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "secure" => cookie.secure = true,
            "max-age" => gone = value.parse::<i64>().is_ok_and(|age| age <= 0),
            "expires" => gone |= value.contains("1970"),
            _ => {}
        }
    }
    cookies.retain(|one| {
        (&one.name, &one.domain, &one.path) != (&cookie.name, &cookie.domain, &cookie.path)
    });
    if !gone && !cookie.name.is_empty() {
        cookies.push(cookie);
    }
}

fn is_for(cookie: &Cookie, url: &Url) -> bool {
    let host = match cookie.below {
        true => is_below(&url.host, &cookie.domain),
        false => url.host == cookie.domain,
    };
    let path = url.path();
    let within = path == cookie.path
        || (path.starts_with(&cookie.path)
            && (cookie.path.ends_with('/') || path[cookie.path.len()..].starts_with('/')));
    host && within && (url.tls || !cookie.secure)
}

fn is_below(host: &str, domain: &str) -> bool {
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => folder.to_owned(),
        _ => "/".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{field, take};
    use crate::client::url::Url;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn a_cookie_goes_back_where_it_came_from() {
        let mut jar = Vec::new();
        let from = url("https://meet.example.com/dial/in");
        take(&mut jar, "a=1; Path=/; HttpOnly", &from);
        take(&mut jar, "b=2; Secure", &from);
        take(&mut jar, "c=3; Domain=.example.com; Path=/", &from);
        take(&mut jar, "d=4; Domain=other.com", &from);
        assert_eq!(field(&jar, &from).as_deref(), Some("b=2; a=1; c=3"));
        assert_eq!(
            field(&jar, &url("http://meet.example.com/dial/")).as_deref(),
            Some("a=1; c=3")
        );
        assert_eq!(
            field(&jar, &url("https://meet.example.com/dialog")).as_deref(),
            Some("a=1; c=3")
        );
        assert_eq!(
            field(&jar, &url("https://mail.example.com/")).as_deref(),
            Some("c=3")
        );
        assert_eq!(field(&jar, &url("https://notexample.com/")), None);
        take(&mut jar, "a=5; Path=/", &from);
        take(&mut jar, "c=; Domain=example.com; Path=/; Max-Age=0", &from);
        assert_eq!(
            field(&jar, &url("https://meet.example.com/")).as_deref(),
            Some("a=5")
        );
    }
}
