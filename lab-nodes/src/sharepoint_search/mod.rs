//! `sharepoint-search`: finds what is stored in the content database, for who may read it.
//!
//! Each node has the whole index, so any one of them answers completely. Before it answers it reads
//! what changed in the content database since it last looked: what was stored is found at once. It
//! notes in the search database how far it has come.
//!
//! - `feed`: what changed, from the view [`FEED`] that front ends make in the content database;
//! - `index`: words and who may read, in an index of SQLite (FTS5) in the node's store;
//! - `words`: a question of a person as one for the index;
//! - [`Question`], [`Answer`]: what front ends ask ([`ask`]).

mod feed;
mod index;
mod text;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::{Method, Response, StatusCode};
use lab_core::service::{
    Context, Conversation, OptionError, Probe, ProbeError, Service, ServiceError, Setup,
    SetupRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application_tier::{
    self, Asked, CONTENT, SEARCH, Settings, Tier, TierError, Work, json, serve,
};
use crate::http::body::Body;
use crate::http::page;
use crate::revocation::Revocation;
use crate::sql_client::{Pool, SqlError};
use crate::tls;
use index::Index;

pub use feed::FEED;
pub use index::Hit;

/// Where questions are asked.
const QUERY: &str = "/query";
/// Most bytes of an index.
const STORE: u64 = 48 << 20;
/// How often a node looks for changes when nobody asks.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a health check may take.
const PROBE: Duration = Duration::from_secs(2);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Words, `"phrases"`, `begin*`, `-without`, `title:word`, `author:word`.
    pub text: String,
    /// Claims of who asks: nothing is found that none of them may read.
    pub claims: Vec<String>,
    /// Only below this URL; empty: everywhere.
    #[serde(default)]
    pub below: String,
    /// The first that is wanted, from 0.
    #[serde(default)]
    pub start: u32,
    /// How many are wanted, 500 at most.
    pub rows: u32,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How many in all.
    pub total: u64,
    /// Those that were wanted, the best first.
    pub hits: Vec<Hit>,
}

/// Asks the members of a search tier.
///
/// # Errors
/// None answers, or the question is malformed.
pub async fn ask(
    tier: &Tier,
    conversation: &Conversation,
    question: &Question,
) -> Result<Answer, TierError> {
    tier.ask(conversation, Method::POST, QUERY, question).await
}

/// The service `sharepoint-search`.
pub struct SharePointSearch;

impl Service for SharePointSearch {
    fn name(&self) -> &'static str {
        "sharepoint-search"
    }

    fn about(&self) -> &'static str {
        "Search of SharePoint: crawls the content database and answers with what the asker may read"
    }

    fn options_schema(&self) -> Value {
        application_tier::schema()
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        application_tier::setup(request, &[CONTENT, SEARCH], STORE)
    }

    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        run(context).boxed()
    }

    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        async move {
            tokio::time::timeout(PROBE, application_tier::probe(probe))
                .await
                .map_err(|_| ProbeError::new("no answer within 2 s"))?
        }
        .boxed()
    }
}

async fn run(context: Context) -> Result<(), ServiceError> {
    let settings: Settings =
        serde_json::from_value(context.settings.borrow().clone()).map_err(ServiceError::new)?;
    let client = Revocation::of(&context)
        .client_config(&context.trust, None)
        .map_err(ServiceError::new)?;
    let client = tls::client_telling_keys(&client, &context.spans);
    let pool = |database: &str| {
        let source = settings.database(database)?;
        let secret = context.secrets.get(&source.secret())?;
        Some(Pool::new(
            source.clone(),
            secret,
            client.clone(),
            &context.node,
        ))
    };
    let missing = || ServiceError::new("the databases are not in its settings");
    let store = context.store.clone();
    let store = store.ok_or_else(|| ServiceError::new("there is no folder to store in"))?;
    let search = Arc::new(Search {
        node: context.node.clone(),
        content: pool(CONTENT).ok_or_else(missing)?,
        search: pool(SEARCH).ok_or_else(missing)?,
        index: Arc::new(Mutex::new(Index::open(&store).map_err(ServiceError::new)?)),
        crawling: tokio::sync::Mutex::new(()),
    });
    let crawler = search.clone();
    let mut crawls = tokio::task::JoinSet::new();
    crawls.spawn(async move {
        loop {
            if let Err(reason) = crawler.crawl(None).await {
                tracing::info!("nothing is crawled: {reason}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    serve(context, settings, search).await
}

struct Search {
    node: String,
    content: Pool,
    search: Pool,
    index: Arc<Mutex<Index>>,
    /// One crawls at a time.
    crawling: tokio::sync::Mutex<()>,
}

impl Search {
    /// Reads what changed since the last time.
    async fn crawl(&self, conversation: Option<&Conversation>) -> Result<(), SqlError> {
        let _alone = self.crawling.lock().await;
        let mut seen = 0;
        loop {
            let from = self.with_index(|index| index.position()).await;
            let changes = feed::read(&self.content, conversation, from).await?;
            let more = changes.len() >= feed::AT_ONCE;
            seen += changes.len();
            if changes.is_empty() {
                break;
            }
            let taken = self.with_index(move |index| index.take(changes)).await;
            if let Err(reason) = taken {
                tracing::error!("what changed can't be indexed: {reason}");
                return Ok(());
            }
            if !more {
                break;
            }
        }
        if seen > 0 {
            let (position, documents) = self
                .with_index(|index| (index.position(), index.documents()))
                .await;
            feed::note(&self.search, conversation, &self.node, position, documents).await?;
        }
        Ok(())
    }

    /// Does something with the index, on a thread that may wait for the disk.
    async fn with_index<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Index) -> T + Send + 'static,
    ) -> T {
        let index = self.index.clone();
        let done = tokio::task::spawn_blocking(move || {
            what(&mut index.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

impl Work for Search {
    async fn answer(&self, asked: Asked<'_>) -> Option<Response<Body>> {
        if asked.path != QUERY || *asked.method != Method::POST {
            return None;
        }
        let question: Question = match serde_json::from_slice(asked.body) {
            Ok(question) => question,
            Err(error) => {
                let text = format!("That is no question: {error}.");
                return Some(page::line(StatusCode::BAD_REQUEST, &text));
            }
        };
        // Without the database what it knows already is what there is: complete as far as it goes.
        if let Err(reason) = self.crawl(Some(asked.conversation)).await {
            tracing::warn!("answered without a look for changes: {reason}");
        }
        let found = self.with_index(move |index| index.find(&question)).await;
        Some(match found {
            Ok(answer) => json(StatusCode::OK, &answer),
            Err(reason) => {
                tracing::error!("the index fails: {reason}");
                page::line(StatusCode::INTERNAL_SERVER_ERROR, "The index fails.")
            }
        })
    }

    fn databases(&self) -> Vec<&Pool> {
        vec![&self.content]
    }
}
