//! `sharepoint-batch`: jobs of the farm, done by whoever is free: documents made into text, and what
//! is due at its time.
//!
//! Jobs stand in the configuration database. A worker takes one by a lease that it renews with each
//! part it has done; what a worker that died had not done is done by another one when the lease is
//! over, and nothing twice.
//!
//! - `jobs`: the tables, and each step on them as one statement or transaction;
//! - `worker`: takes and does;
//! - `convert`: a document as text;
//! - [`NewJob`], [`Job`]: what front ends ask ([`submit`], [`state`]).

mod convert;
mod jobs;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::{Method, Response, StatusCode};
use lab_core::service::{
    Context, Conversation, OptionError, Probe, ProbeError, Service, ServiceError, Setup,
    SetupRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, OnceCell};

use crate::application_tier::{
    self, Asked, CONFIGURATION, Settings, Tier, TierError, Work, json, serve,
};
use crate::http::body::Body;
use crate::http::page;
use crate::revocation::Revocation;
use crate::sql_client::{Pool, SqlError};
use crate::tls;

pub use convert::office_text;

/// Where jobs are.
const JOBS: &str = "/jobs";
/// Most documents of a job.
const MOST_DOCUMENTS: usize = 500;
/// How long a health check may take.
const PROBE: Duration = Duration::from_secs(2);

/// A job that somebody wants done: each document made into text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// The documents.
    pub documents: Vec<Document>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The file's name, which tells what its bytes are.
    pub name: String,
    /// Its bytes, in Base64.
    pub content: String,
}

/// A job's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// It.
    pub id: i64,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// `waiting`, `working`, `done` or `failed`.
    pub state: String,
    /// Documents of it.
    pub parts: i64,
    /// How often a worker took it: more than once where one died.
    pub attempts: i64,
    /// What is done of it, in the order of the documents.
    pub done: Vec<Part>,
}

/// A document that was made into text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its place among the documents, from 0.
    pub part: i64,
    /// Who did it.
    pub worker: String,
    /// The text; none: the document is not understood.
    pub text: Option<String>,
}

/// Gives a job to the members of a batch tier.
///
/// # Errors
/// None answers, or the job is malformed.
pub async fn submit(
    tier: &Tier,
    conversation: &Conversation,
    job: &NewJob,
) -> Result<Number, TierError> {
    tier.ask(conversation, Method::POST, JOBS, job).await
}

/// How far a job is.
///
/// # Errors
/// None answers, or there is no such job.
pub async fn state(
    tier: &Tier,
    conversation: &Conversation,
    job: Number,
) -> Result<Job, TierError> {
    let path = format!("{JOBS}/{}", job.id);
    tier.ask(conversation, Method::GET, &path, &()).await
}

/// The service `sharepoint-batch`.
pub struct SharePointBatch;

impl Service for SharePointBatch {
    fn name(&self) -> &'static str {
        "sharepoint-batch"
    }

    fn about(&self) -> &'static str {
        "Batch processing of SharePoint: timer jobs and document conversion, which outlive their worker"
    }

    fn options_schema(&self) -> Value {
        application_tier::schema()
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        application_tier::setup(request, &[CONFIGURATION], 0)
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
    let pool = settings.database(CONFIGURATION).and_then(|source| {
        let secret = context.secrets.get(&source.secret())?;
        Some(Pool::new(source.clone(), secret, client, &context.node))
    });
    let pool = pool.ok_or_else(|| ServiceError::new("its database is not in its settings"))?;
    let batch = Arc::new(Batch {
        pool: Arc::new(pool),
        wanted: Arc::new(Notify::new()),
        prepared: OnceCell::new(),
    });
    let mut workers = tokio::task::JoinSet::new();
    workers.spawn(worker::work(
        context.node.clone(),
        batch.pool.clone(),
        batch.wanted.clone(),
    ));
    serve(context, settings, batch).await
}

struct Batch {
    pool: Arc<Pool>,
    /// Wakes this node's worker.
    wanted: Arc<Notify>,
    prepared: OnceCell<()>,
}

impl Batch {
    /// The database, with its tables in it: the first question may come before this node's worker
    /// got so far.
    async fn database(&self) -> Result<&Pool, SqlError> {
        let prepare = || jobs::prepare(&self.pool);
        self.prepared.get_or_try_init(prepare).await?;
        Ok(&self.pool)
    }

    async fn take(&self, asked: &Asked<'_>) -> Result<Response<Body>, SqlError> {
        let refuse = |text: String| Ok(page::line(StatusCode::BAD_REQUEST, &text));
        let job: NewJob = match serde_json::from_slice(asked.body) {
            Ok(job) => job,
            Err(error) => return refuse(format!("That is no job: {error}.")),
        };
        if !(1..=MOST_DOCUMENTS).contains(&job.documents.len()) {
            return refuse(format!("A job has 1 to {MOST_DOCUMENTS} documents."));
        }
        if (job.documents.iter()).any(|one| BASE64.decode(one.content.as_bytes()).is_err()) {
            return refuse("The content of a document is no Base64.".to_owned());
        }
        let id = jobs::add(self.database().await?, asked.conversation, &job).await?;
        self.wanted.notify_one();
        Ok(json(StatusCode::ACCEPTED, &Number { id }))
    }

    async fn tell(&self, asked: &Asked<'_>, id: &str) -> Result<Response<Body>, SqlError> {
        let job = match id.parse() {
            Ok(id) => jobs::find(self.database().await?, asked.conversation, id).await?,
            Err(_) => None,
        };
        Ok(match job {
            Some(job) => json(StatusCode::OK, &job),
            None => page::line(StatusCode::NOT_FOUND, "There is no such job."),
        })
    }
}

impl Work for Batch {
    async fn answer(&self, asked: Asked<'_>) -> Option<Response<Body>> {
        let rest = asked.path.strip_prefix(JOBS)?;
        let answered = match (asked.method, rest.strip_prefix('/')) {
            (&Method::POST, None) if rest.is_empty() => self.take(&asked).await,
            (&Method::GET, Some(id)) => self.tell(&asked, id).await,
            _ => return None,
        };
        Some(answered.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            page::line(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}."))
        }))
    }

    fn databases(&self) -> Vec<&Pool> {
        vec![&self.pool]
    }
}
