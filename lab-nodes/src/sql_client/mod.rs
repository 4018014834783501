//! How services of a lab ask a `sql-server` for what it stores: over TDS, by the tiberius crate, with
//! TLS verified against the lab's CA and the server's name.
//!
//! - [`Source`]: where a database is, from the lab, pure;
//! - [`Pool`]: asks it, over connections that stay open; [`Transaction`]: several changes as one;
//! - [`Value`], [`Row`]: what goes there and comes back;
//! - `line`: one connection; `door`: how it begins.
//!
//! ```no_run
//! # use lab_nodes::sql_client::{Pool, SqlError, Value};
//! # async fn example(pool: Pool, conversation: lab_core::service::Conversation) -> Result<(), SqlError> {
//! let sql = "SELECT Name FROM Lists WHERE Id = @p1";
//! let rows = pool.query(Some(&conversation), sql, &[Value::Int(7)]).await?;
//! let name = rows.first().and_then(|row| row.text("Name"));
//! # Ok(())
//! # }
//! ```

mod door;
mod line;
mod pool;
mod source;
mod value;

pub(crate) use line::{Entrance, Line};
pub use pool::{Pool, Transaction};
pub use source::{Source, password_of, secret_of};
pub use value::{Row, Value};

/// Why a database was not asked, or did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The server was not reached, or the connection broke: nobody knows whether a change that was
    /// asked for was made.
    #[error("the database server {server} is not reached: {reason}")]
    Unreachable {
        /// Its node.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The server said no.
    #[error("{server} refuses it: {message} (error {number})")]
    Refused {
        /// Its node.
        server: String,
        /// The number of SQL Server's error.
        number: u32,
        /// Its words.
        message: String,
    },
}

impl SqlError {
    /// Whether a row was refused since one with the same key is there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                number: 2601 | 2627,
                ..
            }
        )
    }

    /// The number of SQL Server's error, if it was one.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Refused { number, .. } => Some(*number),
            Self::Unreachable { .. } => None,
        }
    }
}

/// A statement in a few words, for those who watch: parameters are not in it.
pub fn shown(sql: &str) -> String {
    const LONGEST: usize = 80;
    let words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
