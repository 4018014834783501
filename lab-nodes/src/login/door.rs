use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Request, Response, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};

use super::attempt::{Begun, Move, Pending, Refused};
use super::guard::{turn_away, welcome};
use super::question::{Bytes, Question, Verdict};
use super::{Denied, Guard, Identity, Method, Unavailable, Way, basic};
use crate::http::accept::Visitor;
use crate::http::body::Body;
use crate::http::page;
use crate::kerberos::Accepted;

/// Longest body of a request that is not let in which is read and thrown away, in bytes.
const DRAINED: usize = 64 << 20;
/// 100 ns from 1601 to 1970.
const UNIX_IN_WINDOWS: u64 = 116_444_736_000_000_000;

/// The door of one connection. Clones stand for the same connection.
#[derive(Clone)]
pub struct Door {
    guard: Guard,
    visitor: Visitor,
    seen: Arc<Mutex<Seen>>,
}

/// What was seen on a connection.
#[derive(Default)]
struct Seen {
    /// Who logged it in, by NTLM.
    identity: Option<Arc<Identity>>,
    /// A login that waits for its next message. It is taken by whatever comes: a challenge is
    /// answered once.
    begun: Option<Begun>,
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
pub struct Farewell(Option<HeaderValue>);

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
            seen: Arc::default(),
        }
    }

    /// Who asks, by the fields of a request and what this connection saw before. Where it is not
    /// [`Entry::Known`], the request's body is to be read to its end before the answer.
    pub async fn knock(&self, headers: &HeaderMap) -> Entry {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let Some(field) = fields.next() else {
            return match self.seen().identity.clone() {
                Some(identity) => Entry::Known(identity, Farewell::default()),
                None => Entry::Challenge(self.challenges()),
            };
        };
        let begun = {
            let mut seen = self.seen();
            seen.identity = None;
            seen.begun.take()
        };
        let credentials = field.to_str().ok().filter(|_| fields.next().is_none());
        let Some((scheme, rest)) = credentials.and_then(|field| field.split_once(' ')) else {
            return Entry::Challenge(self.challenges());
        };
        let way = match scheme.to_ascii_lowercase().as_str() {
            "negotiate" => Way::Negotiate,
            "ntlm" => Way::Ntlm,
            "basic" => Way::Basic,
            _ => return Entry::Challenge(self.challenges()),
        };
        if !self.offers(way) {
            return Entry::Challenge(self.challenges());
        }
        match way {
            Way::Basic => self.basic(rest).await,
            Way::Negotiate | Way::Ntlm => match BASE64.decode(rest.trim().as_bytes()) {
                Ok(token) => self.token(way, begun, &token).await,
                Err(_) => self.refuse(
                    way,
                    &Refused {
                        reason: "its token is no base64".into(),
                        ..Refused::default()
                    },
                ),
            },
        }
    }

    /// Lets a request in, or answers it: with a challenge (401) once its body is out of the way, or
    /// with 503 where no domain controller answers.
    ///
    /// # Errors
    /// The answer to be sent in place of the service's own.
    pub async fn admit(&self, request: Request<Incoming>) -> Result<Admitted, Response<Body>> {
        let fields = match self.knock(request.headers()).await {
            Entry::Known(identity, answer) => {
                return Ok(Admitted {
                    identity,
                    request,
                    answer,
                });
            }
            Entry::Challenge(fields) | Entry::Refused(fields) => Some(fields),
            Entry::Unavailable(_) => None,
        };
        let mut response = match fields {
            Some(fields) => unauthorized(fields),
            None => unavailable(),
        };
        // What stands in the way of the next request on this connection.
        if !drained(request.into_body()).await {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Err(response)
    }

    async fn basic(&self, credentials: &str) -> Entry {
        let Some((name, password)) = basic::read(credentials) else {
            return self.refuse(
                Way::Basic,
                &Refused {
                    reason: "its credentials are no base64 of UTF-8 with a colon".into(),
                    ..Refused::default()
                },
            );
        };
        let conversation = &self.visitor.conversation;
        let checked = self
            .guard
            .password(Method::Basic, &name, &password, conversation);
        match checked.await {
            Ok(identity) => Entry::Known(Arc::new(identity), Farewell::default()),
            Err(Denied::Refused(_)) => Entry::Refused(self.challenges()),
            Err(Denied::Unavailable(reason)) => Entry::Unavailable(reason),
        }
    }

    async fn token(&self, way: Way, begun: Option<Begun>, token: &[u8]) -> Entry {
        let mut random = [0; 8];
        if SystemRandom::new().fill(&mut random).is_err() {
            return Entry::Unavailable(Unavailable("there are no random numbers".into()));
        }
        let server = &self.guard.0.server;
        match server.take(way, begun, token, random, windows_time()) {
            Ok(Move::More(answer, begun)) => {
                self.seen().begun = Some(begun);
                Entry::Challenge(vec![with_token(way, &answer)])
            }
            Ok(Move::Ntlm(pending)) => self.ntlm(way, *pending).await,
            Ok(Move::Kerberos { accepted, answer }) => self.kerberos(&accepted, answer).await,
            Err(refused) => self.refuse(way, &refused),
        }
    }

    async fn ntlm(&self, way: Way, pending: Pending) -> Entry {
        let attempt = &pending.attempt;
        let question = Question::Ntlm {
            user: attempt.user().to_owned(),
            domain: attempt.domain().to_owned(),
            challenge: Bytes(attempt.challenge().to_vec()),
            response: Bytes(attempt.response().to_vec()),
        };
        let principal = attempt.principal();
        let refused = |reason: String| Refused {
            principal,
            reason,
            answer: None,
        };
        let verdict = match self.guard.ask(&question, &self.visitor.conversation).await {
            Ok(verdict) => verdict,
            Err(unavailable) => return Entry::Unavailable(unavailable),
        };
        let (person, key) = match verdict {
            Verdict::Good {
                person,
                session_key,
            } => (person, session_key.and_then(|key| key.0.try_into().ok())),
            Verdict::Refused { reason } => return self.refuse(Way::Ntlm, &refused(reason)),
        };
        let Some(key) = key else {
            let reason = "the controller told no session key".to_owned();
            return Entry::Unavailable(Unavailable(reason));
        };
        let concluded = match self.guard.0.server.conclude(pending, &key) {
            Ok(concluded) => concluded,
            Err(refused) => return self.refuse(Way::Ntlm, &refused),
        };
        let identity = Arc::new(Identity {
            person,
            method: Method::Ntlm,
            proof: match way {
                Way::Negotiate => format!("{}, by Negotiate", concluded.session.proof()),
                _ => concluded.session.proof(),
            },
        });
        welcome(&identity, &self.visitor.conversation);
        self.seen().identity = Some(identity.clone());
        let answer = concluded.answer.map(|token| with_token(way, &token));
        Entry::Known(identity, Farewell(answer))
    }

    async fn kerberos(&self, accepted: &Accepted, answer: Option<Vec<u8>>) -> Entry {
        let principal = accepted.client.to_string();
        let conversation = &self.visitor.conversation;
        let person = match self.guard.person(&principal, conversation).await {
            Ok(person) => person,
            Err(unavailable) => return Entry::Unavailable(unavailable),
        };
        let Some(person) = person else {
            return self.refuse(
                Way::Negotiate,
                &Refused {
                    principal,
                    reason: "its ticket is for nobody of the domain".into(),
                    answer: None,
                },
            );
        };
        let identity = Identity {
            person,
            method: Method::Negotiate,
            proof: match accepted.bound {
                true => format!("{}, bound to the TLS connection", accepted.proof()),
                false => accepted.proof(),
            },
        };
        welcome(&identity, conversation);
        let answer = answer.map(|token| with_token(Way::Negotiate, &token));
        Entry::Known(Arc::new(identity), Farewell(answer))
    }

    fn refuse(&self, way: Way, refused: &Refused) -> Entry {
        let method = match way {
            Way::Negotiate => Method::Negotiate,
            Way::Ntlm => Method::Ntlm,
            Way::Basic => Method::Basic,
        };
        let conversation = &self.visitor.conversation;
        turn_away(method, &refused.principal, &refused.reason, conversation);
        Entry::Refused(match &refused.answer {
            Some(token) => vec![with_token(way, token)],
            None => self.challenges(),
        })
    }

    /// A password that others can read on the way is asked from nobody.
    fn offers(&self, way: Way) -> bool {
        self.guard.0.methods.offer(way) && (way != Way::Basic || self.visitor.secure)
    }

    fn challenges(&self) -> Vec<HeaderValue> {
        let ways = self
            .guard
            .0
            .methods
            .0
            .iter()
            .filter(|way| self.offers(**way));
        ways.filter_map(|way| match way {
            Way::Negotiate => Some(HeaderValue::from_static("Negotiate")),
            Way::Ntlm => Some(HeaderValue::from_static("NTLM")),
            Way::Basic => {
                let realm = &self.guard.0.realm;
                let field = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
                HeaderValue::from_str(&field).ok()
            }
        })
        .collect()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to somebody who did not log in.
fn unauthorized(fields: Vec<HeaderValue>) -> Response<Body> {
    let mut response = page::line(StatusCode::UNAUTHORIZED, "You have to log in to see this.");
    for field in fields {
        response.headers_mut().append(WWW_AUTHENTICATE, field);
    }
    response
}

/// The answer while nobody can say who somebody is.
fn unavailable() -> Response<Body> {
    let mut response = page::line(
        StatusCode::SERVICE_UNAVAILABLE,
        "Nobody can log in at the moment: no domain controller answers.",
    );
    let soon = HeaderValue::from_static("5");
    response.headers_mut().insert(RETRY_AFTER, soon);
    response
}

fn with_token(way: Way, token: &[u8]) -> HeaderValue {
    let scheme = match way {
        Way::Negotiate => "Negotiate",
        Way::Ntlm => "NTLM",
        Way::Basic => "Basic",
    };
    let field = format!("{scheme} {}", BASE64.encode(token));
    HeaderValue::from_str(&field).unwrap_or(HeaderValue::from_static("Negotiate"))
}

/// Reads a body to its end and throws it away; false if it is too long or broke off.
async fn drained(mut body: Incoming) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return false;
        };
        read += frame.data_ref().map_or(0, |data| data.len());
        if read > DRAINED {
            return false;
        }
    }
    true
}

/// Now, in 100 ns since 1601.
fn windows_time() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let hundreds = u64::try_from(since.as_nanos() / 100).unwrap_or(u64::MAX);
    hundreds.saturating_add(UNIX_IN_WINDOWS)
}
