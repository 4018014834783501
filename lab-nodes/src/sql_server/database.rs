//! Databases: files of SQLite, and how a session opens one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::functions;
use super::gate::Gate;

/// Every session may open it; it holds nothing.
pub(super) const MASTER: &str = "master";
/// Most bytes of a value.
const LONGEST_VALUE: i32 = 32 << 20;
/// Longest statement, in bytes.
const LONGEST_STATEMENT: i32 = 4 << 20;
/// Bytes of a page of SQLite.
const PAGE: u64 = 4096;
/// Fewest pages that a database may have.
const MINIMUM: u64 = 64;
/// How long SQLite waits for a lock that it holds itself for moments (a checkpoint).
const PATIENCE: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at whether it shall stop.
const LOOK: i32 = 1000;

/// A database of this server.
#[derive(Debug)]
pub(super) struct Database {
    /// Its name.
    pub name: String,
    /// Where one writes at a time.
    pub gate: Arc<Gate>,
    /// Most pages of it: it shall be full before its disk is, where what makes room needs room.
    pages: u64,
    path: Option<PathBuf>,
}

impl Database {
    /// One in a folder, of so many bytes at most.
    pub fn stored(name: &str, folder: &Path, longest: u64) -> Self {
        Self {
            name: name.to_owned(),
            gate: Arc::default(),
            pages: (longest / PAGE).max(MINIMUM),
            path: Some(folder.join(format!("{name}.sqlite"))),
        }
    }

    /// The one that holds nothing.
    pub fn master() -> Self {
        Self {
            name: MASTER.to_owned(),
            gate: Arc::default(),
            pages: MINIMUM,
            path: None,
        }
    }

    /// Opens it for a session. A statement that runs when `stop` becomes true is ended.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn open(&self, stop: &Arc<AtomicBool>) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = match &self.path {
            Some(path) => Connection::open_with_flags(path, flags)?,
            None => Connection::open_in_memory_with_flags(flags)?,
        };
        connection.busy_timeout(PATIENCE)?;
        // What was acknowledged is on the disk (FULL); the log is copied back as it grows, so that
        // it stays small beside what is stored.
        connection.pragma_update(
            None,
            "max_page_count",
            i64::try_from(self.pages).unwrap_or(i64::MAX),
        )?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA wal_autocheckpoint = 256; PRAGMA cache_size = -512; \
             PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 1048576;",
        )?;
        // A name in double quotes is a name, also where no column has it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, LONGEST_STATEMENT)?;
        connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 200)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        functions::register(&connection)?;
        connection.authorizer(Some(authorize))?;
        let stop = stop.clone();
        connection.progress_handler(LOOK, Some(move || stop.load(Ordering::Relaxed)))?;
        Ok(connection)
    }
}

/// A session has its database and nothing else of this node. The dialect lets nothing of the kind
/// through; this holds where it should err.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
        AuthAction::Pragma { pragma_name, .. } if pragma_name != "table_info" => {
            Authorization::Deny
        }
        AuthAction::Function { function_name } if function_name == "load_extension" => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }
}
