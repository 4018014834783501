//! The memory of tokens that were used.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::distributed_cache::TokenCache;
use crate::saml::Instant;

/// Remembers tokens, so that each logs in once.
pub trait SeenTokens: Sync {
    /// Whether a token comes for the first time. It is remembered until it ends.
    fn first(&self, token: &str, until: Instant) -> impl Future<Output = bool> + Send;
}

/// All front ends of a farm remember together.
impl SeenTokens for TokenCache {
    async fn first(&self, token: &str, until: Instant) -> bool {
        self.claim(token, until.system_time()).await
    }
}

/// A memory of one server alone.
#[derive(Debug, Default)]
pub struct SeenHere(Mutex<BTreeMap<String, Instant>>);

/// Most tokens that are remembered; while there is no room, none is taken.
const MOST: usize = 20_000;

impl SeenTokens for SeenHere {
    async fn first(&self, token: &str, until: Instant) -> bool {
        let now = Instant::new(std::time::SystemTime::now());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, until| *until > now);
        }
        if seen.len() >= MOST || seen.contains_key(token) {
            return false;
        }
        seen.insert(token.to_owned(), until);
        true
    }
}
