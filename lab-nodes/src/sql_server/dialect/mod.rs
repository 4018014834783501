//! As little Transact-SQL as clients need, and what SQLite understands in its place.
//!
//! - `lexer`: text to tokens;
//! - `statement`: tokens to statements, which in this language need no semicolon between them;
//! - `tree`: the tokens of a statement, by their parentheses;
//! - `translate`: a statement as SQLite's text; `names` of tables, `call`s of functions, `define`
//!   for what makes tables.
//!
//! Pure: what is evaluated when a statement is translated (`@@SPID`, the current database) comes
//! in as [`Surroundings`].

mod call;
mod define;
mod lexer;
mod names;
mod statement;
mod translate;
mod tree;

pub(super) use lexer::{Token, Word, lex};
pub(super) use statement::{Command, Statement, Step, parse};
pub(super) use translate::{condition, expression, translate};

use crate::tds::token::Notice;

/// What a statement may ask of the session that runs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// The server's name.
    pub server: String,
    /// Its version, a sentence.
    pub version: String,
    /// Number of the session.
    pub spid: u16,
    /// Who is logged in.
    pub user: String,
    /// The client's computer.
    pub host: String,
    /// The client's program.
    pub program: String,
    /// The current database.
    pub database: String,
    /// All databases of the server.
    pub databases: Vec<String>,
    /// Open transactions, one in the other.
    pub transactions: u32,
    /// Rows of the statement before.
    pub rows: i64,
    /// Error of the statement before, or 0.
    pub error: i32,
    /// The number given last to a row.
    pub identity: Option<i64>,
}

/// What is wrong with a statement.
pub(super) fn syntax(near: &str, line: u32) -> Notice {
    error(102, 15, format!("Incorrect syntax near '{near}'."), line)
}

/// An error of SQL Server.
pub(super) fn error(number: i32, severity: u8, text: String, line: u32) -> Notice {
    Notice {
        number,
        state: 1,
        severity,
        text,
        line,
    }
}
