//! Calls of functions that SQLite names otherwise, or does not know.

use super::define;
use super::translate::{emit, text};
use super::tree::{Node, parts};
use super::{Surroundings, syntax};
use crate::tds::token::Notice;

/// A call at the front, as text, and the nodes that it takes. None: there is none, or SQLite knows
/// it by the same name.
///
/// # Errors
/// What its arguments have that is not served.
pub(super) fn call(
    nodes: &[Node],
    around: &Surroundings,
) -> Result<Option<(String, usize)>, Notice> {
    let [first, Node::Group(inside), ..] = nodes else {
        return Ok(None);
    };
    let Some(name) = first.keyword() else {
        return Ok(None);
    };
    let renamed =
        |name: &str| -> Result<String, Notice> { Ok(format!("{name}({})", emit(inside, around)?)) };
    let arguments = parts(inside);
    let called = match name.as_str() {
        "ISNULL" => renamed("ifnull")?,
        "LEFT" => renamed("left_text")?,
        "RIGHT" => renamed("right_text")?,
        "COUNT_BIG" => renamed("count")?,
        "SUBSTRING" => renamed("substr")?,
        "CEILING" => renamed("ceil")?,
        "CAST" | "TRY_CAST" => {
            let Some(at) = inside.iter().rposition(|node| node.is("AS")) else {
                return Err(syntax(")", first.line()));
            };
            cast(&emit(&inside[..at], around)?, &inside[at + 1..])
        }
        "CONVERT" | "TRY_CONVERT" => match arguments.as_slice() {
            [kind, value, ..] => cast(&emit(value, around)?, kind),
            _ => return Err(syntax(")", first.line())),
        },
        "DATEADD" | "DATEDIFF" | "DATEPART" | "DATENAME" => {
            let Some((part, rest)) = arguments.split_first() else {
                return Err(syntax(")", first.line()));
            };
            let part = part.first().and_then(Node::name).unwrap_or_default();
            let mut list = vec![text(&part.to_ascii_lowercase())];
            for argument in rest {
                list.push(emit(argument, around)?);
            }
            format!("{}({})", name.to_ascii_lowercase(), list.join(","))
        }
        "SCOPE_IDENTITY" => (around.identity).map_or("NULL".into(), |last| last.to_string()),
        "DB_NAME" if inside.is_empty() => text(&around.database),
        "DB_ID" if inside.is_empty() => {
            let at = around
                .databases
                .iter()
                .position(|name| *name == around.database);
            at.map_or(1, |at| at + 5).to_string()
        }
        "SUSER_SNAME" | "SUSER_NAME" | "ORIGINAL_LOGIN" => text(&around.user),
        "USER_NAME" | "SCHEMA_NAME" => text("dbo"),
        "HOST_NAME" => text(&around.host),
        "APP_NAME" | "PROGRAM_NAME" => text(&around.program),
        "HAS_DBACCESS" | "IS_SRVROLEMEMBER" | "IS_MEMBER" => "1".to_owned(),
        "SERVERPROPERTY" => property(inside, around),
        "OBJECT_ID" => {
            let Some(object) = arguments.first() else {
                return Err(syntax(")", first.line()));
            };
            let object = emit(object, around)?;
            format!(
                "(SELECT rowid FROM sqlite_master WHERE type IN ('table', 'view') AND \
                 name = bare_name({object}) COLLATE NOCASE)"
            )
        }
        _ => return Ok(None),
    };
    Ok(Some((called, 2)))
}

fn property(inside: &[Node], around: &Surroundings) -> String {
    let asked = match inside {
        [Node::Leaf(token)] => token.shown().to_ascii_lowercase(),
        _ => String::new(),
    };
    match asked.as_str() {
        "productversion" => text("11.0.7001.0"),
        "productlevel" => text("SP4"),
        "edition" => text("Standard Edition (64-bit)"),
        "engineedition" => "2".into(),
        "servername" | "machinename" => text(&around.server),
        "collation" => text("SQL_Latin1_General_CP1_CI_AS"),
        "productmajorversion" => text("11"),
        "isintegratedsecurityonly" | "isclustered" | "ishadrenabled" | "issingleuser" => "0".into(),
        _ => "NULL".into(),
    }
}

/// An expression made one of another type.
fn cast(value: &str, kind: &[Node]) -> String {
    let name = kind.first().and_then(Node::keyword).unwrap_or_default();
    match define::family(&name) {
        define::Family::Integer => format!("to_int({value})"),
        define::Family::Bit => format!("(to_int({value}) <> 0)"),
        define::Family::Real => format!("CAST({value} AS REAL)"),
        define::Family::Decimal => format!("CAST({value} AS NUMERIC)"),
        define::Family::Text => format!("CAST({value} AS TEXT)"),
        define::Family::Bytes => format!("CAST({value} AS BLOB)"),
        define::Family::Date => format!("to_date({value})"),
        define::Family::Time => format!("to_time({value})"),
        define::Family::Other => value.to_owned(),
    }
}
