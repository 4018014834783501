//! Asking the host for a document, on behalf of the user whose token this is.

use std::time::SystemTime;

use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use lab_core::service::Conversation;
use serde::Deserialize;

use super::document::LONGEST;
use super::source::Source;
use crate::http::body::full;
use crate::wopi::{ITEM_VERSION, ProofKey, Reach, Reached, prove};

/// Most bytes of CheckFileInfo's answer.
const LONGEST_INFO: usize = 256 << 10;

/// What a host tells of a document; the fields that are read of [MS-WOPI] §3.3.5.1.1.2.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Info {
    pub base_file_name: String,
    pub size: u64,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub user_id: String,
    #[serde(default)]
    pub user_friendly_name: String,
    #[serde(default)]
    pub user_can_write: bool,
    #[serde(default)]
    pub supports_update: bool,
    #[serde(default)]
    pub supports_locks: bool,
    #[serde(default)]
    pub close_url: Option<String>,
}

/// Why the host did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It can't be asked, or its answer is no WOPI: a sentence for the log.
    Host(String),
    /// The token is not honoured.
    Token,
    /// There is no such document for this user.
    Missing,
    /// Another lock is on the document, or none where there has to be.
    Conflict,
    /// The document is too large.
    TooLarge,
}

/// A host and a document there.
pub(super) struct Session<'s> {
    source: &'s Source,
    token: &'s str,
    keys: (&'s ProofKey, &'s ProofKey),
    reached: Reached,
    conversation: &'s Conversation,
}

impl<'s> Session<'s> {
    pub async fn open(
        reach: &Reach,
        source: &'s Source,
        token: &'s str,
        keys: (&'s ProofKey, &'s ProofKey),
        conversation: &'s Conversation,
    ) -> Result<Self, Trouble> {
        Ok(Self {
            source,
            token,
            keys,
            reached: reach.connect(&source.host).await.map_err(Trouble::Host)?,
            conversation,
        })
    }

    /// CheckFileInfo.
    pub async fn info(&mut self) -> Result<Info, Trouble> {
        let answer = self
            .ask(Method::GET, "", &[], Bytes::new(), LONGEST_INFO)
            .await?;
        serde_json::from_slice(answer.body())
            .map_err(|error| Trouble::Host(format!("its answer to CheckFileInfo is none: {error}")))
    }

    /// GetFile.
    pub async fn content(&mut self) -> Result<Bytes, Trouble> {
        let most = LONGEST.to_string();
        let fields = [("X-WOPI-MaxExpectedSize", most.as_str())];
        let answer = self
            .ask(Method::GET, "/contents", &fields, Bytes::new(), LONGEST)
            .await?;
        Ok(answer.into_body())
    }

    /// Lock, or hold for longer.
    pub async fn lock(&mut self, lock: &str) -> Result<(), Trouble> {
        self.with_lock("LOCK", lock).await
    }

    /// Unlock.
    pub async fn unlock(&mut self, lock: &str) -> Result<(), Trouble> {
        self.with_lock("UNLOCK", lock).await
    }

    async fn with_lock(&mut self, what: &str, lock: &str) -> Result<(), Trouble> {
        let fields = [("X-WOPI-Override", what), ("X-WOPI-Lock", lock)];
        self.ask(Method::POST, "", &fields, Bytes::new(), LONGEST_INFO)
            .await?;
        Ok(())
    }

    /// PutFile; gives the new version, where the host names it.
    pub async fn put(&mut self, lock: &str, content: Bytes) -> Result<Option<String>, Trouble> {
        let fields = [("X-WOPI-Override", "PUT"), ("X-WOPI-Lock", lock)];
        let answer = self
            .ask(Method::POST, "/contents", &fields, content, LONGEST_INFO)
            .await?;
        let version = answer.headers().get(ITEM_VERSION);
        Ok(version
            .and_then(|version| version.to_str().ok())
            .map(str::to_owned))
    }

    async fn ask(
        &mut self,
        method: Method,
        more: &str,
        fields: &[(&str, &str)],
        content: Bytes,
        most: usize,
    ) -> Result<Response<Bytes>, Trouble> {
        let target = self.source.target(more, self.token);
        let url = format!("https://{}{target}", self.source.host);
        let mut proof = HeaderMap::new();
        prove(&mut proof, self.token, &url, SystemTime::now(), self.keys)
            .ok_or_else(|| Trouble::Host("the request could not be signed".into()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(&target)
            .header(HOST, &self.source.host)
            .header("Authorization", format!("Bearer {}", self.token));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request
            .body(full(content))
            .map_err(|error| Trouble::Host(error.to_string()))?;
        request.headers_mut().extend(proof);
        let answer = self.reached.ask(request, most, self.conversation).await;
        let answer = answer.map_err(Trouble::Host)?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(Trouble::Token),
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Err(Trouble::Missing),
            StatusCode::CONFLICT => Err(Trouble::Conflict),
            StatusCode::PRECONDITION_FAILED | StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Trouble::TooLarge)
            }
            other => Err(Trouble::Host(format!("it answered {other}"))),
        }
    }
}
