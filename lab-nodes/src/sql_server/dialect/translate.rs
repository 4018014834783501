//! A statement as SQLite's text.

use super::lexer::{Token, Word};
use super::tree::{Node, tree};
use super::{Command, Surroundings, call, define, names, syntax};
use crate::tds::token::Notice;

/// Table hints, which say how SQL Server shall lock.
const HINTS: [&str; 16] = [
    "NOLOCK",
    "UPDLOCK",
    "HOLDLOCK",
    "ROWLOCK",
    "READPAST",
    "TABLOCK",
    "TABLOCKX",
    "XLOCK",
    "NOWAIT",
    "SERIALIZABLE",
    "READUNCOMMITTED",
    "READCOMMITTED",
    "REPEATABLEREAD",
    "SNAPSHOT",
    "PAGLOCK",
    "FORCESEEK",
];

/// A statement for SQLite.
///
/// # Errors
/// What it has that is not served.
pub(in super::super) fn translate(
    command: Command,
    tokens: &[Token],
    around: &Surroundings,
) -> Result<String, Notice> {
    let nodes = tree(tokens)?;
    match command {
        Command::Create => define::create(&nodes, around),
        Command::Alter => define::alter(&nodes, around),
        Command::Drop => define::drop(&nodes, around),
        Command::Truncate => match nodes.as_slice() {
            [_, table, name @ ..] if table.is("TABLE") && !name.is_empty() => {
                Ok(format!("DELETE FROM {}", emit(name, around)?))
            }
            _ => Err(near(&nodes)),
        },
        Command::Select => emit(&nodes, around),
        Command::Insert | Command::Update | Command::Delete => change(&nodes, around),
    }
}

/// An expression, of which the value is wanted.
///
/// # Errors
/// What it has that is not served.
pub(in super::super) fn expression(
    tokens: &[Token],
    around: &Surroundings,
) -> Result<String, Notice> {
    Ok(format!("SELECT {}", emit(&tree(tokens)?, around)?))
}

/// A condition, which gives 1 where it holds.
///
/// # Errors
/// What it has that is not served.
pub(in super::super) fn condition(
    tokens: &[Token],
    around: &Surroundings,
) -> Result<String, Notice> {
    let condition = emit(&tree(tokens)?, around)?;
    Ok(format!("SELECT CASE WHEN {condition} THEN 1 ELSE 0 END"))
}

pub(super) fn near(nodes: &[Node]) -> Notice {
    match nodes.last() {
        Some(Node::Leaf(token)) => syntax(token.shown(), token.line),
        Some(group) => syntax(")", group.line()),
        None => syntax("", 1),
    }
}

/// INSERT, UPDATE and DELETE: the word that may be left out, and OUTPUT, which SQLite has at the end.
fn change(nodes: &[Node], around: &Surroundings) -> Result<String, Notice> {
    let mut kept: Vec<Node> = Vec::new();
    let mut returned = String::new();
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        if node.is("OUTPUT") {
            let ends = |node: &Node| {
                ["VALUES", "SELECT", "FROM", "WHERE", "DEFAULT", "INTO"]
                    .iter()
                    .any(|keyword| node.is(keyword))
            };
            let rest = &nodes[at + 1..];
            let length = rest.iter().position(ends).unwrap_or(rest.len());
            if rest.get(length).is_some_and(|node| node.is("INTO")) {
                return Err(syntax("INTO", node.line()));
            }
            returned = format!(
                " RETURNING {}",
                emit(&returned_names(&rest[..length]), around)?
            );
            at += 1 + length;
            continue;
        }
        kept.push(node.clone());
        let missing = match node.keyword().as_deref() {
            Some("INSERT") => Some("INTO"),
            Some("DELETE") => Some("FROM"),
            _ => None,
        };
        if let Some(missing) = missing
            && !nodes.get(at + 1).is_some_and(|next| next.is(missing))
        {
            kept.push(Node::Leaf(Token {
                word: Word::Name(missing.to_owned()),
                line: node.line(),
            }));
        }
        at += 1;
    }
    Ok(emit(&kept, around)? + &returned)
}

/// `INSERTED.a, DELETED.b` as the names alone.
fn returned_names(nodes: &[Node]) -> Vec<Node> {
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let old_or_new = node.is("INSERTED") || node.is("DELETED");
        if old_or_new && nodes.get(at + 1).is_some_and(|next| next.is_symbol(".")) {
            at += 2;
            continue;
        }
        kept.push(node.clone());
        at += 1;
    }
    kept
}

/// Nodes as text, with what belongs to a SELECT among them.
pub(super) fn emit(nodes: &[Node], around: &Surroundings) -> Result<String, Notice> {
    let mut out: Vec<String> = Vec::new();
    let mut limit = None;
    // The sum that was looked at last: whether it joins texts, and where it ends.
    let mut sum = (false, 0);
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let rest = &nodes[at..];
        if node.is_symbol("+") && at >= sum.1 {
            sum = joins_texts(nodes, at);
        }
        if node.is("TOP") && at > 0 && follows_select(&nodes[..at]) {
            let (count, used) = top(rest, around)?;
            limit = Some(format!("LIMIT {count}"));
            at += used;
        } else if node.is("OFFSET")
            && let Some((text, used)) = offset(rest, around)?
        {
            limit = Some(text);
            at += used;
        } else if is_hint(rest) {
            at += 2;
        } else if let Some((text, used)) = names::chain(rest, around)? {
            out.push(text);
            at += used;
        } else if let Some((text, used)) = call::call(rest, around)? {
            out.push(text);
            at += used;
        } else {
            out.push(match node {
                Node::Group(inside) => format!("({})", emit(inside, around)?),
                Node::Leaf(_) if node.is_symbol("+") && sum.0 => "||".to_owned(),
                Node::Leaf(token) => leaf(token, around)?,
            });
            at += 1;
        }
    }
    out.extend(limit);
    Ok(out.join(" "))
}

fn follows_select(before: &[Node]) -> bool {
    match before {
        [.., select, distinct] if distinct.is("DISTINCT") || distinct.is("ALL") => {
            select.is("SELECT")
        }
        [.., select] => select.is("SELECT"),
        [] => false,
    }
}

/// `TOP 5`, `TOP (@n)`.
fn top(nodes: &[Node], around: &Surroundings) -> Result<(String, usize), Notice> {
    let Some(count) = nodes.get(1) else {
        return Err(syntax("TOP", nodes[0].line()));
    };
    if nodes
        .get(2)
        .is_some_and(|next| next.is("PERCENT") || next.is("WITH"))
    {
        return Err(syntax("TOP", nodes[0].line()));
    }
    let text = match count {
        Node::Group(inside) => format!("({})", emit(inside, around)?),
        Node::Leaf(token) => leaf(token, around)?,
    };
    Ok((text, 2))
}

/// `OFFSET a ROWS FETCH NEXT b ROWS ONLY`.
fn offset(nodes: &[Node], around: &Surroundings) -> Result<Option<(String, usize)>, Notice> {
    let rows = |node: &Node| node.is("ROWS") || node.is("ROW");
    let Some(first) = nodes.iter().position(rows) else {
        return Ok(None);
    };
    let skipped = emit(&nodes[1..first], around)?;
    let fetch = nodes.get(first + 1).is_some_and(|node| node.is("FETCH"));
    if !fetch {
        return Ok(Some((format!("LIMIT -1 OFFSET {skipped}"), first + 1)));
    }
    let rest = &nodes[first + 2..];
    let Some(second) = rest.iter().position(rows) else {
        return Err(near(nodes));
    };
    let count = emit(rest.get(1..second).unwrap_or_default(), around)?;
    let only = rest.get(second + 1).is_some_and(|node| node.is("ONLY"));
    if !only || count.is_empty() {
        return Err(near(nodes));
    }
    let used = first + 2 + second + 2;
    Ok(Some((format!("LIMIT {count} OFFSET {skipped}"), used)))
}

fn is_hint(nodes: &[Node]) -> bool {
    let [with, Node::Group(inside), ..] = nodes else {
        return false;
    };
    let hint = |node: &Node| {
        node.is_symbol(",")
            || node
                .keyword()
                .is_some_and(|word| HINTS.contains(&word.as_str()))
    };
    with.is("OPTION") || (with.is("WITH") && inside.iter().all(hint))
}

/// Functions whose value is a text.
const TEXTS: [&str; 12] = [
    "LEFT",
    "RIGHT",
    "UPPER",
    "LOWER",
    "LTRIM",
    "RTRIM",
    "TRIM",
    "SUBSTRING",
    "REPLACE",
    "CONCAT",
    "DB_NAME",
    "REVERSE",
];

/// What a sum may stand between.
const BORDERS: [&str; 27] = [
    "SELECT", "DISTINCT", "FROM", "WHERE", "AND", "OR", "NOT", "AS", "CASE", "WHEN", "THEN",
    "ELSE", "END", "ON", "BY", "IN", "IS", "LIKE", "BETWEEN", "VALUES", "SET", "UNION", "ORDER",
    "GROUP", "HAVING", "TOP", "OUTPUT",
];

/// Whether the `+` at a place belongs to a sum in which there is a text, so that it joins; and where
/// that sum ends.
fn joins_texts(nodes: &[Node], at: usize) -> (bool, usize) {
    let is_border = |node: &Node| match node {
        Node::Group(_) => false,
        Node::Leaf(Token {
            word: Word::Symbol(symbol),
            ..
        }) => !matches!(*symbol, "+" | "."),
        Node::Leaf(token) => {
            let keyword = token.keyword().unwrap_or_default();
            BORDERS.contains(&keyword.as_str())
        }
    };
    let start = nodes[..at]
        .iter()
        .rposition(is_border)
        .map_or(0, |at| at + 1);
    let end = nodes[at..].iter().position(is_border);
    let end = end.map_or(nodes.len(), |end| at + end);
    let sum = &nodes[start..end];
    let to_text = |node: &Node| {
        let kind = node.keyword().unwrap_or_default();
        kind != "UNIQUEIDENTIFIER" && define::family(&kind) == define::Family::Text
    };
    let joins = sum.iter().enumerate().any(|(at, node)| {
        let Node::Leaf(token) = node else {
            return false;
        };
        let arguments = match sum.get(at + 1) {
            Some(Node::Group(inside)) => inside.as_slice(),
            _ => return matches!(token.word, Word::Text(_)),
        };
        match token.keyword().as_deref() {
            Some("CAST") => {
                let kind = arguments.iter().skip_while(|node| !node.is("AS")).nth(1);
                kind.is_some_and(to_text)
            }
            Some("CONVERT") => arguments.first().is_some_and(to_text),
            Some(name) => TEXTS.contains(&name),
            None => false,
        }
    });
    (joins, end)
}

pub(super) fn leaf(token: &Token, around: &Surroundings) -> Result<String, Notice> {
    Ok(match &token.word {
        Word::Name(name) => match name.to_ascii_uppercase().as_str() {
            "CURRENT_TIMESTAMP" => "getdate()".to_owned(),
            "SYSTEM_USER" | "SESSION_USER" => text(&around.user),
            "CURRENT_USER" => text("dbo"),
            _ => names::plain(name),
        },
        Word::Quoted(name) => names::quoted(name),
        Word::Variable(name) => name.clone(),
        Word::System(name) => system(name, around).ok_or_else(|| {
            let text = format!("Must declare the scalar variable \"@@{name}\".");
            super::error(137, 15, text, token.line)
        })?,
        Word::Text(content) => text(content),
        Word::Number(number) => number.clone(),
        Word::Bytes(digits) if digits.len() % 2 == 0 => format!("x'{digits}'"),
        Word::Bytes(digits) => format!("x'0{digits}'"),
        Word::Symbol("^" | ":" | "+=" | "-=" | "*=") => {
            return Err(syntax(token.shown(), token.line));
        }
        Word::Symbol(symbol) => (*symbol).to_owned(),
    })
}

/// A text of SQL.
pub(super) fn text(content: &str) -> String {
    format!("'{}'", content.replace('\'', "''"))
}

fn system(name: &str, around: &Surroundings) -> Option<String> {
    Some(match name {
        "VERSION" => text(&around.version),
        "SERVERNAME" => text(&around.server),
        "SERVICENAME" => text("MSSQLSERVER"),
        "LANGUAGE" => text("us_english"),
        "SPID" => around.spid.to_string(),
        "TRANCOUNT" => around.transactions.to_string(),
        "ROWCOUNT" => around.rows.to_string(),
        "ERROR" => around.error.to_string(),
        "IDENTITY" => around
            .identity
            .map_or("NULL".into(), |last| last.to_string()),
        "MAX_PRECISION" => "38".into(),
        "MICROSOFTVERSION" => "184551476".into(),
        "DATEFIRST" => "7".into(),
        "LOCK_TIMEOUT" => "-1".into(),
        "TEXTSIZE" => i32::MAX.to_string(),
        "OPTIONS" => "5496".into(),
        "NESTLEVEL" | "CURSOR_ROWS" | "LANGID" | "DBTS" => "0".into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, lex, parse};
    use super::*;

    fn translated(sql: &str) -> String {
        let around = Surroundings {
            database: "content".into(),
            databases: vec!["content".into()],
            spid: 51,
            identity: Some(7),
            ..Surroundings::default()
        };
        let steps = lex(sql).and_then(|tokens| parse(&tokens)).expect(sql);
        match &steps[0].statement {
            Statement::Sql(command, tokens) => {
                translate(*command, tokens, &around).unwrap_or_else(|notice| notice.text)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_differs_is_put_in_sqlites_words() {
        for (from, to) in [
            (
                "select top 5 [a b] from dbo.t with (nolock)",
                "select \"a b\" from t LIMIT 5",
            ),
            (
                "SELECT TOP (@n) t.* FROM content.dbo.t AS t",
                "SELECT t.* FROM t AS t LIMIT (@n)",
            ),
            (
                "SELECT a FROM t ORDER BY a OFFSET 5 ROWS FETCH NEXT 2 ROWS ONLY",
                "SELECT a FROM t ORDER BY a LIMIT 2 OFFSET 5",
            ),
            ("SELECT @@SPID, SCOPE_IDENTITY()", "SELECT 51 , 7"),
            (
                "SELECT isnull(a, N'x') + 'y'",
                "SELECT ifnull(a , 'x') || 'y'",
            ),
            (
                "CREATE VIEW v AS SELECT 'x' + w.a + b AS u, c + d AS e FROM w",
                "CREATE VIEW v AS SELECT 'x' || w.a || b AS u , c + d AS e FROM w",
            ),
            (
                "SELECT LEFT(a, 2) FROM a LEFT JOIN b ON 1=1",
                "SELECT left_text(a , 2) FROM a LEFT JOIN b ON 1 = 1",
            ),
            (
                "INSERT t (a) OUTPUT INSERTED.id VALUES (1)",
                "INSERT INTO t (a) VALUES (1) RETURNING id",
            ),
            ("DELETE t WHERE a = 1", "DELETE FROM t WHERE a = 1"),
            (
                "SELECT dateadd(hour, 2, getdate())",
                "SELECT dateadd('hour',2,getdate ())",
            ),
            (
                "SELECT cast(a as nvarchar(max)), convert(int, b)",
                "SELECT CAST(a AS TEXT) , to_int(b)",
            ),
            (
                "SELECT * FROM other.dbo.t",
                "Invalid object name 'other.dbo.t'.",
            ),
            ("TRUNCATE TABLE dbo.t", "DELETE FROM t"),
        ] {
            assert_eq!(translated(from), to);
        }
    }

    #[test]
    fn tables_are_made_as_sqlite_has_them() {
        assert_eq!(
            translated(
                "CREATE TABLE dbo.t (Id INT IDENTITY(1,1) NOT NULL PRIMARY KEY CLUSTERED, \
                 Name NVARCHAR(MAX) NOT NULL DEFAULT '', Body VARBINARY(MAX), \
                 At DATETIME2(7) DEFAULT getdate(), CONSTRAINT u UNIQUE NONCLUSTERED (Name)) ON [PRIMARY]"
            ),
            "CREATE TABLE t (Id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \
             Name NVARCHAR_MAX COLLATE NOCASE NOT NULL DEFAULT '', Body VARBINARY_MAX, \
             At DATETIME2(7) DEFAULT (getdate ()), CONSTRAINT u UNIQUE (Name))"
        );
        assert_eq!(
            translated("CREATE UNIQUE NONCLUSTERED INDEX i ON dbo.t (a) INCLUDE (b)"),
            "CREATE UNIQUE INDEX i ON t (a)"
        );
        assert_eq!(translated("DROP INDEX i ON dbo.t"), "DROP INDEX i");
        assert_eq!(
            translated("CREATE LOGIN x"),
            "Incorrect syntax near 'LOGIN'."
        );
    }
}
