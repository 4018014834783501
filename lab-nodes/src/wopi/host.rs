//! The host's side of WOPI: requests of the farm, answered from a storage.

use std::sync::Arc;
use std::time::SystemTime;

use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use lab_core::observe::Deed;
use lab_core::service::Conversation;
use serde_json::json;

use super::farm::Farm;
use super::locks::{self, Wish};
use super::proof::{self, BadProof};
use super::request::{Ask, BadAsk, Operation};
use super::storage::{Document, Refused, Storage};
use super::token::{Grant, Permission, Tokens};
use crate::http::body::{Body, full};
use crate::http::host;

/// The lock in a request and in the answer to one that failed.
pub const LOCK: HeaderName = HeaderName::from_static("x-wopi-lock");
/// Why a lock could not be had.
pub const LOCK_FAILURE: HeaderName = HeaderName::from_static("x-wopi-lockfailurereason");
/// The version of a document.
pub const ITEM_VERSION: HeaderName = HeaderName::from_static("x-wopi-itemversion");
/// What went wrong, for the farm's log.
pub const SERVER_ERROR: HeaderName = HeaderName::from_static("x-wopi-servererror");

/// How often a lock is looked at again because another client changed it in between.
const TRIES: usize = 8;

/// A host: its documents, who may do what, and the farm it answers.
pub struct Host {
    storage: Arc<dyn Storage>,
    tokens: Arc<Tokens>,
    farm: Arc<Farm>,
    base: String,
}

/// An answer other than 200.
struct Failed {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
}

impl Host {
    /// Documents are served below `base` (`/_vti_bin/wopi.ashx/files`), to this farm alone.
    pub fn new(
        storage: Arc<dyn Storage>,
        tokens: Arc<Tokens>,
        farm: Arc<Farm>,
        base: &str,
    ) -> Self {
        Self {
            storage,
            tokens,
            farm,
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// Whether a path is this host's to answer.
    pub fn serves(&self, path: &str) -> bool {
        path.strip_prefix(&self.base)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The `WOPISrc` of a document at a web application of that name.
    pub fn source(&self, name: &str, file: &str) -> String {
        source(&self.base, name, file)
    }

    /// Answers a request whose whole body was read.
    pub async fn answer(
        &self,
        request: &Request<Bytes>,
        conversation: &Conversation,
    ) -> Response<Body> {
        match self.attempt(request, conversation).await {
            Ok(response) => response,
            Err(failed) => {
                let mut response = Response::new(full(""));
                *response.status_mut() = failed.status;
                for (name, value) in failed.headers {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        response.headers_mut().insert(name, value);
                    }
                }
                response
            }
        }
    }

    async fn attempt(
        &self,
        request: &Request<Bytes>,
        conversation: &Conversation,
    ) -> Result<Response<Body>, Failed> {
        let now = SystemTime::now();
        let uri = request.uri();
        let path = uri.path().strip_prefix(&self.base).unwrap_or_default();
        let query = uri.query().unwrap_or_default();
        let ask = Ask::read(request.method(), path, query, request.headers())?;
        let name = host::of(request).ok_or(Failed::new(StatusCode::BAD_REQUEST))?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let url = format!("https://{}{target}", authority(request).unwrap_or(&name));
        self.prove(request, &ask.token, &url, conversation).await?;
        let read = self.tokens.read(&ask.token, &ask.file, now);
        conversation.tell(|| Deed::Login {
            method: "wopi".into(),
            principal: read
                .as_ref()
                .map_or_else(|_| "unknown".into(), |grant| grant.user.id.clone()),
            verified: read.is_ok(),
            proof: match &read {
                Ok(grant) => format!("access token for {:?}, farm's proof key", grant.permission),
                Err(error) => error.to_string(),
            },
        });
        let grant = read.map_err(|error| {
            Failed::new(StatusCode::UNAUTHORIZED).with(SERVER_ERROR, &error.to_string())
        })?;
        self.act(ask.operation, &grant, request.body(), &name, now)
            .await
    }

    /// The request comes from the farm.
    async fn prove(
        &self,
        request: &Request<Bytes>,
        token: &str,
        url: &str,
        conversation: &Conversation,
    ) -> Result<(), Failed> {
        let verify = |keys| proof::verify(request.headers(), token, url, SystemTime::now(), keys);
        let trouble = |reason: String| {
            tracing::warn!("a request for a document was refused: {reason}");
            Failed::new(StatusCode::INTERNAL_SERVER_ERROR).with(SERVER_ERROR, &reason)
        };
        let known = self.farm.discovery(conversation).await.map_err(trouble)?;
        match verify(&known.keys) {
            Err(BadProof::Signature) => {
                let newer = self.farm.renewed(conversation).await.map_err(trouble)?;
                verify(&newer.keys)
            }
            other => other,
        }
        .map_err(|bad| trouble(bad.to_string()))
    }

    async fn act(
        &self,
        operation: Operation,
        grant: &Grant,
        content: &Bytes,
        name: &str,
        now: SystemTime,
    ) -> Result<Response<Body>, Failed> {
        let (file, user) = (&*grant.file, &grant.user);
        let document = self.storage.describe(file, user).await?;
        let writes = !matches!(
            operation,
            Operation::CheckFileInfo | Operation::GetFile { .. } | Operation::GetLock
        );
        if writes && !(grant.permission == Permission::Edit && document.writable) {
            return Err(Refused::Forbidden.into());
        }
        match operation {
            Operation::CheckFileInfo => Ok(self.info(&document, grant)),
            Operation::GetFile { most } => {
                if most.is_some_and(|most| document.size > most) {
                    return Err(Failed::new(StatusCode::PRECONDITION_FAILED));
                }
                let (version, content) = self.storage.read(file, user).await?;
                let mut response = Response::new(full(content));
                let kind = HeaderValue::from_static("application/octet-stream");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                Ok(versioned(response, &version))
            }
            Operation::PutFile { lock } => {
                self.put(&document, grant, lock.as_deref(), content, now)
                    .await
            }
            Operation::Lock(wish) => {
                self.lock(file, &wish, now).await?;
                Ok(versioned(Response::new(full("")), &document.version))
            }
            Operation::GetLock => {
                let there = self.storage.lock(file).await?;
                let there = there.filter(|lock| lock.holds(now));
                let mut response = Response::new(full(""));
                let id = there.map(|lock| lock.id).unwrap_or_default();
                let id = HeaderValue::from_str(&id).map_err(|_| Refused::Name)?;
                response.headers_mut().insert(LOCK, id);
                Ok(response)
            }
            Operation::PutRelative {
                name: wished,
                suggested,
                replace,
            } => {
                let stem = document.name.rsplit_once('.').map(|(stem, _)| stem);
                let wished = match wished.strip_prefix('.') {
                    Some(_) if suggested => {
                        format!("{}{wished}", stem.unwrap_or(&document.name))
                    }
                    _ => wished,
                };
                self.relative(grant, &wished, suggested, replace, content, name)
                    .await
            }
        }
    }

    fn info(&self, document: &Document, grant: &Grant) -> Response<Body> {
        let writes = grant.permission == Permission::Edit && document.writable;
        let mut info = json!({
            "BaseFileName": document.name,
            "OwnerId": document.owner,
            "Size": document.size,
            "Version": document.version,
            "UserId": grant.user.id,
            "UserFriendlyName": grant.user.name,
            "UserCanWrite": writes,
            "ReadOnly": !writes,
            "UserCanNotWriteRelative": !writes,
            "SupportsUpdate": true,
            "SupportsLocks": true,
            "SupportsGetLock": true,
            "SupportsExtendedLockLength": true,
        });
        if let Some(page) = &document.page {
            info["CloseUrl"] = json!(page);
            info["BreadcrumbDocName"] = json!(document.name);
        }
        as_json(&info)
    }

    async fn put(
        &self,
        document: &Document,
        grant: &Grant,
        lock: Option<&str>,
        content: &Bytes,
        now: SystemTime,
    ) -> Result<Response<Body>, Failed> {
        let there = self.storage.lock(&grant.file).await?;
        let held = there.as_ref().filter(|lock| lock.holds(now));
        match (held, lock) {
            (Some(held), Some(lock)) if held.id == lock => {}
            // A new document is filled without a lock; nothing else is.
            (None, _) if document.size == 0 => {}
            (held, _) => return Err(conflict(held.map_or("", |held| &held.id))),
        }
        let version = self
            .storage
            .write(&grant.file, &grant.user, lock, content.clone())
            .await?;
        Ok(versioned(Response::new(full("")), &version))
    }

    async fn lock(&self, file: &str, wish: &Wish, now: SystemTime) -> Result<(), Failed> {
        for _ in 0..TRIES {
            let there = self.storage.lock(file).await?;
            let new = locks::decide(there.as_ref(), wish, now).map_err(|id| conflict(&id))?;
            let swapped = self
                .storage
                .swap_lock(file, there.as_ref(), new.as_ref())
                .await?;
            if swapped {
                return Ok(());
            }
        }
        Err(Refused::Trouble("the lock changes all the time".into()).into())
    }

    async fn relative(
        &self,
        grant: &Grant,
        wished: &str,
        suggested: bool,
        replace: bool,
        content: &Bytes,
        name: &str,
    ) -> Result<Response<Body>, Failed> {
        let mut chosen = wished.to_owned();
        for number in 2.. {
            let created = self
                .storage
                .create(
                    &grant.file,
                    &grant.user,
                    &chosen,
                    replace && !suggested,
                    content.clone(),
                )
                .await;
            match created {
                Err(Refused::Taken) if suggested && number < 100 => {
                    let (stem, extension) = wished.rsplit_once('.').unwrap_or((wished, ""));
                    chosen = format!("{stem} ({number}).{extension}");
                }
                Err(refused) => return Err(refused.into()),
                Ok(file) => {
                    let token = self
                        .tokens
                        .issue(&grant.user, &file, Permission::Edit, SystemTime::now())
                        .ok_or(Failed::new(StatusCode::INTERNAL_SERVER_ERROR))?;
                    let url = format!("{}?access_token={}", self.source(name, &file), token.text);
                    return Ok(as_json(&json!({ "Name": chosen, "Url": url })));
                }
            }
        }
        Err(Refused::Taken.into())
    }
}

/// The authority as the client wrote it: the farm signed it so, with a port if there is one.
fn authority(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get(hyper::header::HOST)?.to_str().ok()
}

fn source(base: &str, name: &str, file: &str) -> String {
    let file = percent_encoding::utf8_percent_encode(file, percent_encoding::NON_ALPHANUMERIC);
    format!("https://{name}{base}/{file}")
}

fn as_json(value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn versioned(mut response: Response<Body>, version: &str) -> Response<Body> {
    if let Ok(version) = HeaderValue::from_str(version) {
        response.headers_mut().insert(ITEM_VERSION, version);
    }
    response
}

fn conflict(held: &str) -> Failed {
    let reason = match held {
        "" => "the document is not locked by a client of WOPI, or by nobody",
        _ => "another lock is on the document",
    };
    Failed::new(StatusCode::CONFLICT)
        .with(LOCK, held)
        .with(LOCK_FAILURE, reason)
}

impl Failed {
    fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
        }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl From<BadAsk> for Failed {
    fn from(bad: BadAsk) -> Self {
        let status = match bad {
            BadAsk::Path => StatusCode::NOT_FOUND,
            BadAsk::Method => StatusCode::METHOD_NOT_ALLOWED,
            BadAsk::Override => StatusCode::NOT_IMPLEMENTED,
            BadAsk::Header(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status).with(SERVER_ERROR, &bad.to_string())
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        let status = match &refused {
            Refused::Locked(held) => return conflict(held),
            // Who may not do it is told as little as of what is not there ([MS-WOPI] §3.3.5.1).
            Refused::Missing | Refused::Forbidden => StatusCode::NOT_FOUND,
            Refused::Name => StatusCode::BAD_REQUEST,
            Refused::Taken => StatusCode::CONFLICT,
            Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Trouble(trouble) => {
                tracing::error!("a document could not be served: {trouble}");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status).with(SERVER_ERROR, &refused.to_string())
    }
}
