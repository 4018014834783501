//! Jobs and timers in the configuration database.

use lab_core::service::Conversation;

use super::{Job, NewJob, Part};
use crate::sql_client::{Pool, SqlError, Value};

/// Seconds that a lease lasts without being renewed.
const LEASE: u32 = 5;
/// How often a job is taken at most: one that ends its workers is given up.
const MOST_ATTEMPTS: i64 = 5;

const TABLES: [&str; 4] = [
    "CREATE TABLE Jobs (Id INT IDENTITY(1,1) PRIMARY KEY, Input VARBINARY(MAX) NOT NULL, \
     Parts INT NOT NULL, State NVARCHAR(10) NOT NULL, Worker NVARCHAR(64), Lease DATETIME2, \
     Attempts INT NOT NULL, Created DATETIME2 NOT NULL)",
    "CREATE TABLE JobParts (Job INT NOT NULL, Part INT NOT NULL, Worker NVARCHAR(64) NOT NULL, \
     Output NVARCHAR(MAX), PRIMARY KEY (Job, Part))",
    "CREATE TABLE Timers (Name NVARCHAR(40) PRIMARY KEY, Seconds INT NOT NULL, Due DATETIME2 NOT NULL, \
     Worker NVARCHAR(64), Runs INT NOT NULL)",
    "INSERT INTO Timers VALUES ('remove old jobs', 60, SYSUTCDATETIME(), NULL, 0)",
];

/// Makes the tables, where another node did not.
///
/// # Errors
/// The server is not reached, or refuses it.
pub(super) async fn prepare(pool: &Pool) -> Result<(), SqlError> {
    for sql in TABLES {
        match pool.batch(None, sql).await {
            Err(error) if error.number() == Some(2714) || error.is_duplicate() => {}
            done => done?,
        }
    }
    Ok(())
}

/// Adds a job; gives its number.
pub(super) async fn add(
    pool: &Pool,
    conversation: &Conversation,
    job: &NewJob,
) -> Result<i64, SqlError> {
    let input = serde_json::to_vec(job).unwrap_or_default();
    let parts = i64::try_from(job.documents.len()).unwrap_or(i64::MAX);
    let sql = "INSERT INTO Jobs (Input, Parts, State, Attempts, Created) OUTPUT INSERTED.Id \
               VALUES (@p1, @p2, 'waiting', 0, SYSUTCDATETIME())";
    let values = [Value::Bytes(input), Value::Int(parts)];
    let rows = pool.query(Some(conversation), sql, &values).await?;
    Ok(rows
        .first()
        .and_then(|row| row.int("Id"))
        .unwrap_or_default())
}

/// How far a job is; none: there is no such job.
pub(super) async fn find(
    pool: &Pool,
    conversation: &Conversation,
    id: i64,
) -> Result<Option<Job>, SqlError> {
    let sql = "SELECT State, Parts, Attempts FROM Jobs WHERE Id = @p1";
    let rows = pool
        .query(Some(conversation), sql, &[Value::Int(id)])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let sql = "SELECT Part, Worker, Output FROM JobParts WHERE Job = @p1 ORDER BY Part";
    let parts = pool
        .query(Some(conversation), sql, &[Value::Int(id)])
        .await?;
    Ok(Some(Job {
        id,
        state: row.text("State").unwrap_or_default().to_owned(),
        parts: row.int("Parts").unwrap_or_default(),
        attempts: row.int("Attempts").unwrap_or_default(),
        done: (parts.iter())
            .map(|row| Part {
                part: row.int("Part").unwrap_or_default(),
                worker: row.text("Worker").unwrap_or_default().to_owned(),
                text: row.text("Output").map(str::to_owned),
            })
            .collect(),
    }))
}

/// A job that a worker took.
pub(super) struct Taken {
    pub id: i64,
    pub job: NewJob,
    /// Parts that are done already.
    pub done: Vec<i64>,
}

/// Takes the oldest job that waits, or whose worker lets its lease run out.
///
/// # Errors
/// The server is not reached, or refuses it.
pub(super) async fn take(pool: &Pool, worker: &str) -> Result<Option<Taken>, SqlError> {
    let given_up = "UPDATE Jobs SET State = 'failed' WHERE State = 'working' AND Attempts >= @p1 \
                    AND Lease < SYSUTCDATETIME()";
    pool.execute(None, given_up, &[Value::Int(MOST_ATTEMPTS)])
        .await?;
    let sql = format!(
        "UPDATE Jobs SET State = 'working', Worker = @p1, Attempts = Attempts + 1, \
         Lease = DATEADD(second, {LEASE}, SYSUTCDATETIME()) OUTPUT INSERTED.Id, INSERTED.Input \
         WHERE Id = (SELECT TOP 1 Id FROM Jobs WHERE State = 'waiting' OR (State = 'working' AND \
         Lease < SYSUTCDATETIME()) ORDER BY Id)"
    );
    let rows = pool.query(None, &sql, &[worker.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let id = row.int("Id").unwrap_or_default();
    let job = row
        .bytes("Input")
        .and_then(|input| serde_json::from_slice(input).ok());
    let Some(job) = job else {
        tracing::error!("job {id} is not understood");
        finish(pool, worker, id, "failed").await?;
        return Ok(None);
    };
    let sql = "SELECT Part FROM JobParts WHERE Job = @p1";
    let done = pool.query(None, sql, &[Value::Int(id)]).await?;
    Ok(Some(Taken {
        id,
        job,
        done: done.iter().filter_map(|row| row.int("Part")).collect(),
    }))
}

/// Stores what came of a part and renews the lease; false: another worker has the job.
///
/// # Errors
/// The server is not reached, or refuses it.
pub(super) async fn put(
    pool: &Pool,
    worker: &str,
    job: i64,
    part: i64,
    output: Option<String>,
) -> Result<bool, SqlError> {
    let mut transaction = pool.transaction(None).await?;
    let renew = format!(
        "UPDATE Jobs SET Lease = DATEADD(second, {LEASE}, SYSUTCDATETIME()) \
         WHERE Id = @p1 AND Worker = @p2 AND State = 'working'"
    );
    let own = transaction
        .execute(&renew, &[Value::Int(job), worker.into()])
        .await?;
    if own == 0 {
        return Ok(false);
    }
    let insert = "INSERT INTO JobParts (Job, Part, Worker, Output) VALUES (@p1, @p2, @p3, @p4)";
    let values = [
        Value::Int(job),
        Value::Int(part),
        worker.into(),
        output.into(),
    ];
    transaction.execute(insert, &values).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Ends a job, if it is still this worker's.
///
/// # Errors
/// The server is not reached, or refuses it.
pub(super) async fn finish(
    pool: &Pool,
    worker: &str,
    job: i64,
    state: &str,
) -> Result<(), SqlError> {
    let sql = "UPDATE Jobs SET State = @p3 WHERE Id = @p1 AND Worker = @p2 AND State = 'working'";
    pool.execute(None, sql, &[Value::Int(job), worker.into(), state.into()])
        .await?;
    Ok(())
}

/// Takes a timer that is due; gives its name.
///
/// # Errors
/// The server is not reached, or refuses it.
pub(super) async fn due(pool: &Pool, worker: &str) -> Result<Option<String>, SqlError> {
    let sql = "UPDATE Timers SET Due = DATEADD(second, Seconds, SYSUTCDATETIME()), Worker = @p1, \
               Runs = Runs + 1 OUTPUT INSERTED.Name WHERE Name = \
               (SELECT TOP 1 Name FROM Timers WHERE Due <= SYSUTCDATETIME() ORDER BY Due)";
    let rows = pool.query(None, sql, &[worker.into()]).await?;
    Ok(rows
        .first()
        .and_then(|row| row.text("Name"))
        .map(str::to_owned))
}

/// Removes jobs that ended more than an hour ago.
///
/// # Errors
/// The server is not reached, or refuses it.
pub(super) async fn remove_old(pool: &Pool) -> Result<(), SqlError> {
    let old = "State IN ('done', 'failed') AND Created < DATEADD(hour, -1, SYSUTCDATETIME())";
    let mut transaction = pool.transaction(None).await?;
    let parts = format!("DELETE FROM JobParts WHERE Job IN (SELECT Id FROM Jobs WHERE {old})");
    transaction.execute(&parts, &[]).await?;
    transaction
        .execute(&format!("DELETE FROM Jobs WHERE {old}"), &[])
        .await?;
    transaction.commit().await
}
