//! A request as those who watch read it.

use std::time::Instant;

use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Uri};
use lab_core::observe::{Deed, Tuple};

use super::host;

/// What was asked, and when. It costs two reference counts; words are made of it on demand.
pub struct Asked {
    method: Method,
    target: Uri,
    host: Option<String>,
    since: Instant,
}

impl Asked {
    /// From a request that came in.
    pub fn new<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            target: request.uri().clone(),
            host: host::of(request),
            since: Instant::now(),
        }
    }

    /// From the head of a request that goes out.
    pub fn head(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            target: head.uri.clone(),
            host: None,
            since: Instant::now(),
        }
    }

    /// It was answered with this status.
    pub fn served(&self, status: StatusCode) -> Deed {
        Deed::Served {
            asked: self.words(),
            host: self.host.clone(),
            answer: status.as_str().to_owned(),
            micros: self.micros(),
        }
    }

    /// It went on to another server in this conversation.
    pub fn onward(&self, tuple: Tuple, to: &str, answer: String, kept: bool) -> Deed {
        Deed::Onward {
            tuple,
            to: to.to_owned(),
            asked: self.words(),
            answer,
            micros: self.micros(),
            kept,
        }
    }

    fn words(&self) -> String {
        format!(
            "{} {}",
            self.method,
            without_token(&self.target.to_string())
        )
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A target in which an access token (RFC 6750 §2.3, [MS-WOPI] §2.2.2) stands for nobody to read.
fn without_token(target: &str) -> String {
    const NAME: &str = "access_token=";
    let mut parts = target.split(NAME);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(NAME);
        shown.push('*');
        shown.push_str(part.find('&').map_or("", |end| &part[end..]));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::without_token;

    #[test]
    fn an_access_token_is_not_told() {
        let shown = without_token("/files/7?a=b&access_token=secret&c=d");
        assert_eq!(shown, "/files/7?a=b&access_token=*&c=d");
        assert_eq!(without_token("/f?access_token=secret"), "/f?access_token=*");
        assert_eq!(without_token("/owa/?a=b"), "/owa/?a=b");
    }
}
