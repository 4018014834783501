//! Who is already known: the login token in a cookie, and what the farm keeps under it.

use std::time::Duration;

use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::principal::Principal;
use crate::distributed_cache::{Token, TokenCache};

/// The cookie, named as SharePoint names it.
pub(super) const COOKIE_NAME: &str = "FedAuth";

/// What is kept for a token.
#[derive(Serialize, Deserialize)]
struct Session {
    /// A token is good for the web application that it was issued for.
    application: String,
    principal: Principal,
}

/// The farm's sessions.
pub(super) struct Sessions {
    cache: TokenCache,
    lifetime: Duration,
}

impl Sessions {
    /// In the farm's cache; each lasts so long.
    pub fn new(cache: TokenCache, lifetime: Duration) -> Self {
        Self { cache, lifetime }
    }

    /// The cache, which remembers used tokens of providers, too.
    pub fn cache(&self) -> &TokenCache {
        &self.cache
    }

    /// Who shows this cookie.
    pub async fn who(&self, application: &str, headers: &HeaderMap) -> Option<Principal> {
        for token in tokens(headers) {
            let Some(kept) = self.cache.get(&token).await else {
                continue;
            };
            let session: Session = serde_json::from_slice(&kept).ok()?;
            if session.application == application {
                return Some(session.principal);
            }
        }
        None
    }

    /// Keeps somebody; gives the cookie. None: there is no room, and they will have to log in again.
    pub async fn keep(&self, application: &str, principal: &Principal) -> Option<HeaderValue> {
        let session = Session {
            application: application.to_owned(),
            principal: principal.clone(),
        };
        let value = serde_json::to_vec(&session).ok()?;
        match self.cache.put(value, self.lifetime).await {
            Ok(token) => cookie(&token.to_string(), self.lifetime),
            Err(reason) => {
                tracing::warn!("a login is not kept: {reason}");
                None
            }
        }
    }

    /// Ends the sessions of these cookies everywhere; gives the cookie that takes them away.
    pub async fn end(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        for token in tokens(headers) {
            self.cache.remove(&token).await;
        }
        cookie("", Duration::ZERO)
    }
}

/// Out of reach of scripts, never sent in clear text, nor with what another site's page posts.
fn cookie(value: &str, lasts: Duration) -> Option<HeaderValue> {
    let seconds = lasts.as_secs();
    let cookie =
        format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&cookie).ok()
}

/// The tokens that a client shows, a few at most.
pub(super) fn tokens(headers: &HeaderMap) -> Vec<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .filter_map(|(_, value)| Token::read(value.trim_matches('"')))
        .take(4)
        .collect()
}
