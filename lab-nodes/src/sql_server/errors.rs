//! What SQLite says, as SQL Server says it.

use rusqlite::Error;
use rusqlite::ffi::{self, ErrorCode};

use super::dialect::error;
use super::functions::NUMBERED;
use crate::tds::token::Notice;

/// Whether a batch goes on behind an error: it does where one row was refused.
pub(super) fn is_about_a_row(notice: &Notice) -> bool {
    matches!(notice.number, 245 | 515 | 547 | 2601 | 2627 | 8152 | 50000) && notice.severity <= 16
}

/// The error as SQL Server numbers it.
pub(super) fn translate(reason: &Error, line: u32) -> Notice {
    let fallback = || {
        error(
            50000,
            16,
            format!("The database refuses it: {reason}."),
            line,
        )
    };
    let (code, message) = match reason {
        Error::SqlInputError { error, msg, .. } => (error, msg.as_str()),
        Error::SqliteFailure(error, message) => (error, message.as_deref().unwrap_or_default()),
        _ => return fallback(),
    };
    if let Some(notice) = of_function(message, line) {
        return notice;
    }
    match code.code {
        ErrorCode::ConstraintViolation => constraint(code.extended_code, message, line),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => error(
            1222,
            16,
            "Lock request time out period exceeded.".into(),
            line,
        ),
        ErrorCode::DiskFull => full(line),
        ErrorCode::SystemIoFailure if message.contains("full") => full(line),
        ErrorCode::OperationInterrupted => error(
            3617,
            16,
            "The statement was ended by the client.".into(),
            line,
        ),
        ErrorCode::TooBig => error(
            8152,
            16,
            "String or binary data would be truncated.".into(),
            line,
        ),
        ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied => error(
            229,
            14,
            "The permission was denied on the object.".into(),
            line,
        ),
        ErrorCode::OutOfMemory => error(
            701,
            17,
            "There is insufficient system memory to run this query.".into(),
            line,
        ),
        _ => of_text(message, line).unwrap_or_else(fallback),
    }
}

fn full(line: u32) -> Notice {
    let text = "Could not allocate space in the database because the 'PRIMARY' filegroup is full.";
    error(1105, 17, text.into(), line)
}

fn of_function(message: &str, line: u32) -> Option<Notice> {
    let (number, text) = message
        .strip_prefix(NUMBERED)?
        .trim_start()
        .split_once(": ")?;
    Some(error(number.parse().ok()?, 16, text.to_owned(), line))
}

fn constraint(code: i32, message: &str, line: u32) -> Notice {
    // `UNIQUE constraint failed: t.a, t.b`
    let columns = message.split_once(": ").map_or("", |(_, columns)| columns);
    let (table, column) = columns
        .split(',')
        .next()
        .and_then(|first| first.split_once('.'))
        .unwrap_or((columns, ""));
    match code {
        // Checks that the dialect adds to a column.
        ffi::SQLITE_CONSTRAINT_CHECK if columns.starts_with("length(") => error(
            8152,
            16,
            "String or binary data would be truncated.".into(),
            line,
        ),
        ffi::SQLITE_CONSTRAINT_CHECK if columns.starts_with("typeof(") => error(
            245,
            16,
            "Conversion failed when converting the value to data type int.".into(),
            line,
        ),
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => error(
            2627,
            14,
            format!(
                "Violation of PRIMARY KEY constraint on '{column}'. Cannot insert duplicate key in \
                 object 'dbo.{table}'."
            ),
            line,
        ),
        ffi::SQLITE_CONSTRAINT_UNIQUE => error(
            2627,
            14,
            format!(
                "Violation of UNIQUE KEY constraint on '{column}'. Cannot insert duplicate key in \
                 object 'dbo.{table}'."
            ),
            line,
        ),
        ffi::SQLITE_CONSTRAINT_NOTNULL => error(
            515,
            16,
            format!(
                "Cannot insert the value NULL into column '{column}', table 'dbo.{table}'; column \
                 does not allow nulls."
            ),
            line,
        ),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => error(
            547,
            16,
            "The statement conflicted with a FOREIGN KEY constraint.".into(),
            line,
        ),
        _ => error(
            547,
            16,
            format!("The statement conflicted with the CHECK constraint \"{columns}\"."),
            line,
        ),
    }
}

fn of_text(message: &str, line: u32) -> Option<Notice> {
    let behind = |start: &str| message.strip_prefix(start).map(str::trim);
    if let Some(name) = behind("no such table:").or(behind("no such view:")) {
        let name = name.trim_start_matches("main.");
        return Some(error(
            208,
            16,
            format!("Invalid object name '{name}'."),
            line,
        ));
    }
    if let Some(name) = behind("no such index:") {
        let text = format!("Cannot drop the index '{name}', because it does not exist.");
        return Some(error(3701, 11, text, line));
    }
    if let Some(name) = behind("no such column:") {
        let name = name.rsplit('.').next().unwrap_or(name);
        return Some(error(
            207,
            16,
            format!("Invalid column name '{name}'."),
            line,
        ));
    }
    if let Some(name) = behind("no such function:") {
        let text = format!("'{name}' is not a recognized built-in function name.");
        return Some(error(195, 15, text, line));
    }
    if message.starts_with("not authorized") {
        let text = "The permission was denied on the object.";
        return Some(error(229, 14, text.into(), line));
    }
    if message.contains("has no column named") {
        let name = message.rsplit(' ').next().unwrap_or_default();
        return Some(error(
            207,
            16,
            format!("Invalid column name '{name}'."),
            line,
        ));
    }
    if let Some(name) = behind("ambiguous column name:") {
        return Some(error(
            209,
            16,
            format!("Ambiguous column name '{name}'."),
            line,
        ));
    }
    if message.contains("already exists") {
        let name = message.split_whitespace().nth(1).unwrap_or_default();
        let text = format!("There is already an object named '{name}' in the database.");
        return Some(error(2714, 16, text, line));
    }
    if let Some(rest) = behind("near \"") {
        let near = rest.split('"').next().unwrap_or_default();
        return Some(error(
            102,
            15,
            format!("Incorrect syntax near '{near}'."),
            line,
        ));
    }
    if message.contains("incomplete input") {
        return Some(error(
            102,
            15,
            "Incorrect syntax near the end.".into(),
            line,
        ));
    }
    if message.contains("values for") || message.contains("supplied") {
        let text = "There are more or fewer columns in the INSERT statement than values.";
        return Some(error(110, 15, text.into(), line));
    }
    None
}
