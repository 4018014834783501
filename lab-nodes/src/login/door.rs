use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};

use crate::http::accept::Visitor;
use crate::http::body::Body;
use crate::http::page;

use super::{Guard, Identity, Unavailable};

/// The door of one connection. Clones stand for the same connection.
#[derive(Clone)]
pub struct Door {
    guard: Guard,
    visitor: Visitor,
}

/// What the door says of a request.
#[derive(Debug)]
pub enum Entry {
    /// Somebody who logged in, now or before on this connection.
    Known(Arc<Identity>, Farewell),
    /// Nobody yet: these are the `WWW-Authenticate` fields of a 401.
    Challenge(Vec<HeaderValue>),
    /// A proof that does not hold; the fields of a 401 that begins anew.
    Refused(Vec<HeaderValue>),
    /// Nobody can say: a 503.
    Unavailable(Unavailable),
}

/// What is added to the answer of a request that was let in: the server's own proof
/// (mutual authentication, RFC 4559 §5).
#[derive(Clone, Debug, Default)]
pub struct Farewell(pub(super) Option<HeaderValue>);

impl Farewell {
    /// Adds it.
    pub fn apply<B>(self, response: &mut Response<B>) {
        if let Some(value) = self.0 {
            response.headers_mut().append(WWW_AUTHENTICATE, value);
        }
    }
}

/// A request of somebody known.
pub struct Admitted {
    /// Who.
    pub identity: Arc<Identity>,
    /// What they ask.
    pub request: Request<Incoming>,
    /// To be applied to the answer.
    pub answer: Farewell,
}

impl Door {
    pub(super) fn new(guard: Guard, visitor: &Visitor) -> Self {
        Self {
            guard,
            visitor: visitor.clone(),
        }
    }

    /// Who asks, by the fields of a request and what this connection saw before. Where it is not
    /// [`Entry::Known`], the request's body is to be read to its end before the answer.
    pub async fn knock(&self, headers: &HeaderMap) -> Entry {
        let _ = (headers, &self.guard, &self.visitor);
        Entry::Unavailable(Unavailable("not yet".into()))
    }

    /// Lets a request in, or answers it: with a challenge (401) once its body is out of the way, or
    /// with 503 where no domain controller answers.
    ///
    /// # Errors
    /// The answer to be sent in place of the service's own.
    pub async fn admit(&self, request: Request<Incoming>) -> Result<Admitted, Response<Body>> {
        match self.knock(request.headers()).await {
            Entry::Known(identity, answer) => Ok(Admitted {
                identity,
                request,
                answer,
            }),
            Entry::Challenge(_) | Entry::Refused(_) => {
                Err(page::line(StatusCode::UNAUTHORIZED, "Log in."))
            }
            Entry::Unavailable(reason) => Err(page::line(
                StatusCode::SERVICE_UNAVAILABLE,
                &reason.to_string(),
            )),
        }
    }
}
