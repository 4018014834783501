//! A running front end, and a request that it answers.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Response, StatusCode};
use lab_core::service::Conversation;

use super::digest::Digests;
use super::library::{Library, StoreError, Web};
use super::path::ServerPath;
use super::principal::Principal;
use super::session::Sessions;
use super::settings::{Application, Settings};
use super::tried::Tried;
use crate::application_tier::Tier;
use crate::http::body::Body;
use crate::login::Guard;
use crate::ws_federation::RelyingParty;

/// What every request needs.
pub(super) struct Farm {
    pub node: String,
    pub settings: Settings,
    pub library: Arc<Library>,
    /// None: documents are only to be downloaded.
    pub office: Option<super::office::Office>,
    pub sessions: Sessions,
    pub digests: Digests,
    pub guard: Option<Guard>,
    /// By the host of the web application.
    pub relying_parties: std::collections::BTreeMap<String, RelyingParty>,
    pub search: Option<Arc<Tier>>,
    pub tried: Tried,
}

/// A request of somebody who signed in.
pub(super) struct Visit<'a> {
    pub farm: &'a Farm,
    pub application: &'a Application,
    pub principal: &'a Principal,
    pub conversation: &'a Conversation,
    pub method: &'a Method,
    /// As it came: encoded.
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: Bytes,
}

/// What people may do with a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Read,
    Write,
}

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0} may not do this")]
    Denied(String),
    #[error("the security validation of this page is invalid")]
    Digest,
    #[error("{1}")]
    Refused(StatusCode, String),
}

impl Trouble {
    /// The status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(error) => super::answer::status_of(error),
            Self::Denied(_) | Self::Digest => StatusCode::FORBIDDEN,
            Self::Refused(status, _) => *status,
        }
    }

    /// A sentence for who asked.
    pub fn sentence(&self) -> String {
        let text = self.to_string();
        let mut letters = text.chars();
        let first = letters.next().map(char::to_uppercase);
        let begin: String = first.into_iter().flatten().collect();
        let end = if text.ends_with('.') { "" } else { "." };
        format!("{begin}{}{end}", letters.as_str())
    }

    pub fn missing(what: &'static str) -> Self {
        Self::Store(StoreError::Missing(what))
    }

    pub fn bad(sentence: impl Into<String>) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, sentence.into())
    }
}

impl From<super::path::PathError> for Trouble {
    fn from(error: super::path::PathError) -> Self {
        Self::Store(error.into())
    }
}

pub(super) type Answered = Result<Response<Body>, Trouble>;

impl Visit<'_> {
    /// The site that a path is in, if this person may do that with it.
    pub async fn web(&self, path: &ServerPath, need: Need) -> Result<Web, Trouble> {
        let host = &self.application.host;
        let web = self.farm.library.web(self.conversation, host, path).await?;
        let web = web.ok_or_else(|| Trouble::missing("site"))?;
        self.may(&web, need)?;
        Ok(web)
    }

    /// Refuses what this person may not do.
    pub fn may(&self, web: &Web, need: Need) -> Result<(), Trouble> {
        let writes = self.principal.has(&web.writers);
        let may = match need {
            Need::Read => writes || self.principal.has(&web.readers),
            Need::Write => writes,
        };
        if may {
            return Ok(());
        }
        Err(Trouble::Denied(self.principal.title.clone()))
    }

    /// Whether they may change it.
    pub fn may_write(&self, web: &Web) -> bool {
        self.principal.has(&web.writers)
    }

    /// Who changes something.
    pub fn by(&self) -> (&str, &str) {
        (&self.principal.login, &self.principal.title)
    }

    /// A digest for what they ask next.
    pub fn digest(&self) -> String {
        let digests = &self.farm.digests;
        digests.make(&self.application.host, &self.principal.login)
    }

    /// Refuses a change that another site's page may have asked for.
    pub fn check_digest(&self, digest: Option<&str>) -> Result<(), Trouble> {
        let (host, login) = (&self.application.host, &self.principal.login);
        match digest {
            Some(digest) if self.farm.digests.holds(host, login, digest) => Ok(()),
            _ => Err(Trouble::Digest),
        }
    }

    /// The value of a header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An absolute URL of this web application.
    pub fn url(&self, path: &ServerPath) -> String {
        format!("https://{}{}", self.application.host, path.encoded())
    }
}
