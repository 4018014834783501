//! What makes, changes and drops tables, indexes and views.

use super::translate::{emit, near};
use super::tree::{Node, parts};
use super::{Surroundings, names, syntax};
use crate::tds::token::Notice;

/// Types that are handled alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Integer,
    Bit,
    Real,
    Decimal,
    Text,
    Bytes,
    /// A day.
    Date,
    /// A day and time.
    Time,
    Other,
}

/// The family of a type, given in capitals.
pub(super) fn family(name: &str) -> Family {
    match name {
        "INT" | "INTEGER" | "BIGINT" | "SMALLINT" | "TINYINT" => Family::Integer,
        "BIT" => Family::Bit,
        "FLOAT" | "REAL" => Family::Real,
        "DECIMAL" | "NUMERIC" | "MONEY" | "SMALLMONEY" => Family::Decimal,
        "NVARCHAR" | "VARCHAR" | "NCHAR" | "CHAR" | "TEXT" | "NTEXT" | "SYSNAME" | "XML"
        | "UNIQUEIDENTIFIER" => Family::Text,
        "VARBINARY" | "BINARY" | "IMAGE" => Family::Bytes,
        "DATE" => Family::Date,
        "DATETIME" | "DATETIME2" | "SMALLDATETIME" => Family::Time,
        _ => Family::Other,
    }
}

/// CREATE.
///
/// # Errors
/// It makes something that is not served.
pub(super) fn create(nodes: &[Node], around: &Surroundings) -> Result<String, Notice> {
    let clustered = |node: &&Node| !(node.is("CLUSTERED") || node.is("NONCLUSTERED"));
    let nodes: Vec<Node> = nodes.iter().filter(clustered).cloned().collect();
    match nodes.get(1).and_then(Node::keyword).as_deref() {
        Some("TABLE") => table(&nodes[2..], around),
        Some("UNIQUE" | "INDEX") => {
            let kept = nodes
                .iter()
                .take_while(|node| !(node.is("INCLUDE") || node.is("WITH")));
            emit(&kept.cloned().collect::<Vec<_>>(), around)
        }
        Some("VIEW") => emit(&nodes, around),
        _ => Err(near(&nodes[..nodes.len().min(2)])),
    }
}

/// ALTER TABLE … ADD a column, DROP COLUMN.
///
/// # Errors
/// It changes something else.
pub(super) fn alter(nodes: &[Node], around: &Surroundings) -> Result<String, Notice> {
    let Some(at) = nodes.iter().position(|node| node.is("ADD")) else {
        let drop = nodes.iter().any(|node| node.is("DROP"));
        return if drop {
            emit(nodes, around)
        } else {
            Err(near(nodes))
        };
    };
    let (head, column) = (&nodes[..at], &nodes[at + 1..]);
    let constraint = column.first().is_none_or(|node| {
        ["CONSTRAINT", "PRIMARY", "FOREIGN", "UNIQUE", "CHECK"]
            .iter()
            .any(|word| node.is(word))
    });
    if constraint || parts(column).len() > 1 {
        return Err(near(nodes));
    }
    Ok(format!(
        "{} ADD COLUMN {}",
        emit(head, around)?,
        self::column(column, around)?
    ))
}

/// DROP.
///
/// # Errors
/// It drops something that is not served.
pub(super) fn drop(nodes: &[Node], around: &Surroundings) -> Result<String, Notice> {
    match nodes.get(1).and_then(Node::keyword).as_deref() {
        Some("TABLE" | "VIEW") => emit(nodes, around),
        Some("INDEX") => {
            let kept = nodes.iter().take_while(|node| !node.is("ON"));
            emit(&kept.cloned().collect::<Vec<_>>(), around)
        }
        _ => Err(near(&nodes[..nodes.len().min(2)])),
    }
}

fn table(nodes: &[Node], around: &Surroundings) -> Result<String, Notice> {
    let group = nodes.iter().position(|node| matches!(node, Node::Group(_)));
    let Some((at, Node::Group(inside))) = group.map(|at| (at, &nodes[at])) else {
        return Err(near(nodes));
    };
    let name = emit(&nodes[..at], around)?;
    // A name that begins so is of a table that goes with the session.
    let temporary = if name.starts_with("\"#") { "TEMP " } else { "" };
    let mut items = Vec::new();
    for part in parts(inside) {
        items.push(column(part, around)?);
    }
    Ok(format!(
        "CREATE {temporary}TABLE {name} ({})",
        items.join(", ")
    ))
}

/// A column, or a constraint of the table.
fn column(nodes: &[Node], around: &Surroundings) -> Result<String, Notice> {
    let first = nodes.first().ok_or_else(|| syntax(",", 1))?;
    let constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"];
    if constraint.iter().any(|keyword| first.is(keyword)) {
        return emit(&without_storage(nodes), around);
    }
    let name = first.name().ok_or_else(|| near(nodes))?;
    let Some(kind) = nodes
        .get(1)
        .and_then(Node::name)
        .map(str::to_ascii_uppercase)
    else {
        return Err(near(nodes));
    };
    let mut rest = &nodes[2..];
    let mut declared = kind.clone();
    let mut longest = None;
    if let [Node::Group(length), more @ ..] = rest {
        declared = match length.as_slice() {
            [max] if max.is("MAX") => format!("{kind}_MAX"),
            _ => {
                let length = emit(length, around)?.replace(' ', "");
                longest = length.parse::<u16>().ok();
                format!("{kind}({length})")
            }
        };
        rest = more;
    }
    let rest = without_storage(rest);
    let identity = rest.iter().position(|node| node.is("IDENTITY"));
    if identity.is_some() {
        // Only a column of exactly this type gets numbers.
        declared = "INTEGER".to_owned();
    }
    let mut out = vec![names::plain(name), declared];
    if matches!(rest.first(), Some(node) if node.is("COLLATE")) {
        let chosen = rest
            .get(1)
            .and_then(Node::name)
            .unwrap_or_default()
            .to_ascii_uppercase();
        let exact = chosen.contains("_CS") || chosen.contains("_BIN");
        out.push(format!(
            "COLLATE {}",
            if exact { "BINARY" } else { "NOCASE" }
        ));
    } else if family(&kind) == Family::Text {
        out.push("COLLATE NOCASE".to_owned());
    }
    out.extend(constraints(&rest, identity.is_some(), around)?);
    // SQLite holds nothing to its type.
    let plain = names::plain(name);
    match (family(&kind), longest) {
        (Family::Integer, _) if identity.is_none() => {
            out.push(format!("CHECK (typeof({plain}) IN ('integer', 'null'))"));
        }
        (Family::Text | Family::Bytes, Some(longest)) => {
            out.push(format!("CHECK (length({plain}) <= {longest})"));
        }
        _ => {}
    }
    Ok(out.join(" "))
}

/// What follows the type of a column.
fn constraints(
    nodes: &[Node],
    identity: bool,
    around: &Surroundings,
) -> Result<Vec<String>, Notice> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let group = matches!(nodes.get(at + 1), Some(Node::Group(_)));
        if node.is("COLLATE") {
            at += 2;
        } else if node.is("IDENTITY") {
            at += 1 + usize::from(group);
        } else if node.is("ROWGUIDCOL") || node.is("SPARSE") {
            at += 1;
        } else if node.is("KEY") && identity {
            out.push("KEY AUTOINCREMENT".to_owned());
            at += 1;
        } else if node.is("DEFAULT")
            && nodes
                .get(at + 1)
                .is_some_and(|next| next.keyword().is_some())
            && matches!(nodes.get(at + 2), Some(Node::Group(_)))
        {
            // SQLite wants a call in parentheses.
            out.push(format!(
                "DEFAULT ({})",
                emit(&nodes[at + 1..at + 3], around)?
            ));
            at += 3;
        } else {
            // To the next that is told apart.
            let ends = |node: &Node| {
                [
                    "COLLATE",
                    "IDENTITY",
                    "ROWGUIDCOL",
                    "SPARSE",
                    "KEY",
                    "DEFAULT",
                ]
                .iter()
                .any(|keyword| node.is(keyword))
            };
            let more = nodes[at + 1..].iter().position(ends);
            let end = more.map_or(nodes.len(), |more| at + 1 + more);
            out.push(emit(&nodes[at..end], around)?);
            at = end;
        }
    }
    Ok(out)
}

/// Without `WITH (…)` and `ON [PRIMARY]`, which say where SQL Server shall put it.
fn without_storage(nodes: &[Node]) -> Vec<Node> {
    let mut kept: Vec<Node> = Vec::new();
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let next = nodes.get(at + 1);
        let with = node.is("WITH") && matches!(next, Some(Node::Group(_)));
        let on = node.is("ON")
            && next.is_some_and(|n| n.name().is_some_and(|n| n.eq_ignore_ascii_case("PRIMARY")));
        if with || on {
            at += 2;
        } else {
            if !(node.is("CLUSTERED") || node.is("NONCLUSTERED")) {
                kept.push(node.clone());
            }
            at += 1;
        }
    }
    kept
}
