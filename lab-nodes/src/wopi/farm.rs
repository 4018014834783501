//! The farm as a host knows it: what it told in discovery.

use std::time::{Duration, Instant};

use hyper::header::HOST;
use hyper::{Request, StatusCode};
use lab_core::service::Conversation;
use tokio::sync::Mutex;

use super::discovery::{DISCOVERY, Discovery};
use super::reach::Reach;
use crate::http::body;

/// How long discovery holds.
const HOLDS: Duration = Duration::from_secs(12 * 60 * 60);
/// How old it is at least before it is asked for again because a proof did not hold.
const RENEWED: Duration = Duration::from_secs(1);
/// Longest answer, in bytes.
const LONGEST: usize = 256 << 10;

/// A farm, asked for what it can do when that is needed first.
pub struct Farm {
    name: String,
    reach: Reach,
    told: Mutex<Option<(Instant, Discovery)>>,
}

impl Farm {
    /// The farm of that host name.
    pub fn new(name: &str, reach: Reach) -> Self {
        Self {
            name: name.to_owned(),
            reach,
            told: Mutex::new(None),
        }
    }

    /// What it told; asked for now if it was not yet, or long ago.
    ///
    /// # Errors
    /// A sentence that says why it did not tell.
    pub async fn discovery(&self, conversation: &Conversation) -> Result<Discovery, String> {
        self.newer(HOLDS, conversation).await
    }

    /// What it tells now: its keys may have changed. Asked for once a second at most.
    ///
    /// # Errors
    /// A sentence that says why it did not tell.
    pub async fn renewed(&self, conversation: &Conversation) -> Result<Discovery, String> {
        self.newer(RENEWED, conversation).await
    }

    async fn newer(
        &self,
        than: Duration,
        conversation: &Conversation,
    ) -> Result<Discovery, String> {
        // Who comes while it is asked waits for the same answer.
        let mut told = self.told.lock().await;
        if let Some((when, discovery)) = &*told
            && when.elapsed() < than
        {
            return Ok(discovery.clone());
        }
        let discovery = self.ask(conversation).await?;
        *told = Some((Instant::now(), discovery.clone()));
        Ok(discovery)
    }

    async fn ask(&self, conversation: &Conversation) -> Result<Discovery, String> {
        let request = Request::get(DISCOVERY)
            .header(HOST, &self.name)
            .body(body::empty())
            .map_err(|error| error.to_string())?;
        let mut reached = self.reach.connect(&self.name).await?;
        let answer = reached.ask(request, LONGEST, conversation).await?;
        if answer.status() != StatusCode::OK {
            return Err(format!(
                "{} answered {} when it was asked for discovery",
                self.name,
                answer.status()
            ));
        }
        std::str::from_utf8(answer.body())
            .ok()
            .and_then(Discovery::read)
            .ok_or_else(|| format!("what {} tells is no discovery", self.name))
    }
}
