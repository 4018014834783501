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

    /// The same where the query holds a secret, such as an access token: it is left out.
    pub fn without_query<B>(request: &Request<B>) -> Self {
        let mut asked = Self::new(request);
        // A path alone is always a target.
        asked.target = asked.target.path().parse().unwrap_or_default();
        asked
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
        format!("{} {}", self.method, self.target)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
