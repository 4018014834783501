//! Names of tables and columns: with a schema, with a database, and those of the system.

use super::translate::text;
use super::tree::Node;
use super::{Surroundings, error};
use crate::tds::token::Notice;

/// A name as it stands.
pub(super) fn plain(name: &str) -> String {
    if name.bytes().any(|byte| matches!(byte, b'#' | b'$' | b'@')) {
        return quoted(name);
    }
    name.to_owned()
}

/// A name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name of several parts at the front, as text, and the nodes that it takes. None: there is none.
///
/// # Errors
/// It is of another database, or of the system and unknown.
pub(super) fn chain(
    nodes: &[Node],
    around: &Surroundings,
) -> Result<Option<(String, usize)>, Notice> {
    let Some(first) = nodes.first().and_then(Node::name) else {
        return Ok(None);
    };
    let mut parts = vec![first.to_owned()];
    let mut shown = vec![own(&nodes[0])];
    let mut used = 1;
    while nodes.get(used).is_some_and(|node| node.is_symbol(".")) {
        match nodes.get(used + 1) {
            Some(star) if star.is_symbol("*") => {
                parts.push("*".to_owned());
                shown.push("*".to_owned());
                used += 2;
                break;
            }
            // `database..table`: the schema is the usual one.
            Some(point) if point.is_symbol(".") => {
                parts.push("dbo".to_owned());
                shown.push(String::new());
                used += 1;
            }
            Some(node) if node.name().is_some() => {
                parts.push(node.name().unwrap_or_default().to_owned());
                shown.push(own(node));
                used += 2;
            }
            _ => break,
        }
    }
    if parts.len() == 1 {
        return Ok(None);
    }
    let is = |at: usize, name: &str| parts.get(at).is_some_and(|p| p.eq_ignore_ascii_case(name));
    let unknown = || {
        let text = format!("Invalid object name '{}'.", parts.join("."));
        error(208, 16, text, nodes[0].line())
    };
    let mut skipped = 0;
    if parts.len() >= 3 && (is(1, "dbo") || is(1, "sys") || is(1, "information_schema")) {
        let system = is(0, "master") || is(0, "tempdb");
        if !is(0, &around.database) && !(system && !is(1, "dbo")) {
            return Err(unknown());
        }
        skipped = 1;
    }
    if is(skipped, "sys") || is(skipped, "information_schema") {
        let schema = parts[skipped].to_ascii_lowercase();
        let view = parts.get(skipped + 1).map(|name| name.to_ascii_lowercase());
        let select = view.and_then(|view| system(&schema, &view, around));
        return select
            .map(|select| Some((select, used)))
            .ok_or_else(unknown);
    }
    if is(skipped, "dbo") {
        skipped += 1;
    }
    Ok(Some((shown[skipped..].join("."), used)))
}

fn own(node: &Node) -> String {
    match node {
        Node::Leaf(token) => match &token.word {
            super::Word::Quoted(name) => quoted(name),
            _ => plain(token.shown()),
        },
        Node::Group(_) => String::new(),
    }
}

/// A view of the system, as a select in its place.
fn system(schema: &str, view: &str, around: &Surroundings) -> Option<String> {
    let objects = "SELECT name, rowid AS object_id, 1 AS schema_id, 0 AS parent_object_id, \
                   CASE type WHEN 'table' THEN 'U ' ELSE 'V ' END AS type, \
                   CASE type WHEN 'table' THEN 'USER_TABLE' ELSE 'VIEW' END AS type_desc \
                   FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND type";
    let select = match (schema, view) {
        ("sys", "databases") => {
            let rows = around.databases.iter().zip(5..).map(|(name, number)| {
                format!(" UNION ALL SELECT {}, {number}, 0, 'ONLINE'", text(name))
            });
            let first = "SELECT 'master' AS name, 1 AS database_id, 0 AS state, 'ONLINE' AS state_desc";
            first.to_owned() + &rows.collect::<String>()
        }
        ("sys", "schemas") => "SELECT 'dbo' AS name, 1 AS schema_id, 1 AS principal_id".to_owned(),
        ("sys", "tables") => format!("{objects} = 'table'"),
        ("sys", "views") => format!("{objects} = 'view'"),
        ("sys", "objects" | "all_objects" | "sysobjects") => {
            format!("{objects} IN ('table', 'view')")
        }
        ("sys", "columns") => "SELECT m.rowid AS object_id, c.name AS name, c.cid + 1 AS column_id, \
             1 - c.\"notnull\" AS is_nullable FROM sqlite_master AS m, pragma_table_info(m.name) AS c \
             WHERE m.type IN ('table', 'view')"
            .to_owned(),
        ("information_schema", "tables") => format!(
            "SELECT {} AS TABLE_CATALOG, 'dbo' AS TABLE_SCHEMA, name AS TABLE_NAME, \
             CASE type WHEN 'table' THEN 'BASE TABLE' ELSE 'VIEW' END AS TABLE_TYPE \
             FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
            text(&around.database)
        ),
        ("information_schema", "columns") => format!(
            "SELECT {} AS TABLE_CATALOG, 'dbo' AS TABLE_SCHEMA, m.name AS TABLE_NAME, \
             c.name AS COLUMN_NAME, c.cid + 1 AS ORDINAL_POSITION, c.dflt_value AS COLUMN_DEFAULT, \
             CASE c.\"notnull\" WHEN 1 THEN 'NO' ELSE 'YES' END AS IS_NULLABLE, \
             lower(CASE WHEN instr(c.type, '(') > 0 THEN substr(c.type, 1, instr(c.type, '(') - 1) \
             WHEN c.type = 'INTEGER' THEN 'int' ELSE replace(c.type, '_MAX', '') END) AS DATA_TYPE \
             FROM sqlite_master AS m, pragma_table_info(m.name) AS c \
             WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%'",
            text(&around.database)
        ),
        _ => return None,
    };
    Some(format!("({select})"))
}
