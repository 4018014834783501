//! Takes jobs and timers, and does them.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use tokio::sync::Notify;

use super::jobs::{self, Taken};
use super::{Document, convert};
use crate::sql_client::{Pool, SqlError};

/// How often a worker looks for work when nobody wakes it.
const PAUSE: Duration = Duration::from_secs(1);

/// Works for ever.
pub(super) async fn work(worker: String, pool: Arc<Pool>, wanted: Arc<Notify>) {
    let mut prepared = false;
    loop {
        let done = async {
            if !prepared {
                jobs::prepare(&pool).await?;
                prepared = true;
            }
            while let Some(taken) = jobs::take(&pool, &worker).await? {
                carry_out(&worker, &pool, taken).await?;
            }
            while let Some(timer) = jobs::due(&pool, &worker).await? {
                tracing::info!("timer: {timer}");
                jobs::remove_old(&pool).await?;
            }
            Ok::<(), SqlError>(())
        };
        if let Err(error) = done.await {
            tracing::info!("no work: {error}");
        }
        tokio::select! {
            () = wanted.notified() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn carry_out(worker: &str, pool: &Pool, taken: Taken) -> Result<(), SqlError> {
    tracing::info!(
        "job {}: {} documents, {} of them done",
        taken.id,
        taken.job.documents.len(),
        taken.done.len()
    );
    for (document, part) in taken.job.documents.into_iter().zip(0_i64..) {
        if taken.done.contains(&part) {
            continue;
        }
        let converted = tokio::task::spawn_blocking(move || text_of(&document)).await;
        let text = converted.unwrap_or_default();
        if !jobs::put(pool, worker, taken.id, part, text).await? {
            tracing::info!("job {}: another worker has it", taken.id);
            return Ok(());
        }
    }
    jobs::finish(pool, worker, taken.id, "done").await
}

fn text_of(document: &Document) -> Option<String> {
    let bytes = BASE64.decode(document.content.as_bytes()).ok()?;
    let office = ["docx", "pptx", "xlsx"];
    let extension = document
        .name
        .rsplit_once('.')
        .map(|(_, last)| last.to_ascii_lowercase());
    if extension.is_some_and(|extension| office.contains(&extension.as_str())) {
        return convert::office_text(&bytes);
    }
    String::from_utf8(bytes).ok()
}
