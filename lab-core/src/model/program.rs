//! Programs of the host, files and limits of a node.

use serde_json::json;

use super::decode::{Fields, wrong_type};
use super::record::record;
use super::service::Restart;
use super::units::{FileMode, Size};
use super::{Decode, Diagnostic, Map, Place, Spanned, Tree, Value};

/// The programs of a node, however they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Programs(pub Vec<Program>);

record! {
    /// A program of the host.
    Program, "a program" {
        /// Instance name; the program's unless given.
        name: Option<Spanned<String>>,
        /// Program and arguments; no shell reads them.
        argv: Vec<Spanned<String>>,
        /// Further environment.
        env: Map<String>,
        /// The user it runs as; root of the node unless given.
        user: Option<Spanned<String>>,
        /// How to see that it is healthy.
        health: Option<ProgramHealth>,
        /// Restart rule; `always` unless given.
        restart: Option<Restart>,
    }
}

impl Decode for Programs {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let one = |tree: &Tree, diagnostics: &mut Vec<Diagnostic>| match &tree.value {
            Value::Map(_) => Program::decode(tree, diagnostics),
            _ => by_argv(tree, diagnostics),
        };
        match &tree.value {
            Value::Null => Some(Self(Vec::new())),
            Value::List(items)
                if items
                    .iter()
                    .any(|item| !matches!(item.value, Value::Scalar { .. })) =>
            {
                Some(Self(
                    items
                        .iter()
                        .filter_map(|item| one(item, diagnostics))
                        .collect(),
                ))
            }
            _ => one(tree, diagnostics).map(|program| Self(vec![program])),
        }
    }
    fn schema() -> serde_json::Value {
        let argv = json!({ "type": "array", "items": { "type": ["string", "number"] } });
        json!({ "anyOf": [
            argv,
            Program::schema(),
            { "type": "array", "items": { "anyOf": [argv, Program::schema()] } },
        ] })
    }
    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

fn by_argv(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Program> {
    if let Value::Scalar { text, .. } = &tree.value
        && text.contains(char::is_whitespace)
    {
        let words = text.split_whitespace().collect::<Vec<_>>().join(", ");
        diagnostics.push(
            Diagnostic::error(
                "lab::wrong-type",
                "A program is written as a list of words, since no shell splits it.",
                &tree.place,
                "one text",
            )
            .help(format!("write `run: [{words}]`")),
        );
        return None;
    }
    let argv = match &tree.value {
        Value::Scalar { .. } => vec![Spanned::decode(tree, diagnostics)?],
        _ => Vec::decode(tree, diagnostics)?,
    };
    Some(Program {
        name: None,
        argv,
        env: Map::default(),
        user: None,
        health: None,
        restart: None,
        place: tree.place.clone(),
    })
}

/// How to see that a program is healthy: `{ tcp: 80 }` or `{ http: { port: 80, path: / } }`.
#[derive(Clone, Debug, PartialEq)]
pub enum ProgramHealth {
    /// A TCP connection is accepted.
    Tcp(Spanned<u16>),
    /// `GET` gives a good status.
    Http(HttpHealth),
}

record! {
    /// A `GET` over plain HTTP.
    HttpHealth, "an HTTP health check" {
        /// Port; 80 unless given.
        port: Option<Spanned<u16>>,
        /// Path; `/` unless given.
        path: Option<Spanned<String>>,
    }
}

impl Decode for ProgramHealth {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let mut fields = Fields::open(tree, "a program's health check", diagnostics)?;
        let tcp: Option<Spanned<u16>> = fields.take("tcp", diagnostics)?;
        let http: Option<HttpHealth> = fields.take("http", diagnostics)?;
        fields.close(diagnostics);
        match (tcp, http) {
            (Some(port), None) => Some(Self::Tcp(port)),
            (None, Some(http)) => Some(Self::Http(http)),
            _ => {
                let wanted = "either `{ tcp: PORT }` or `{ http: { port: PORT, path: / } }`";
                wrong_type(tree, wanted, diagnostics);
                None
            }
        }
    }
    fn schema() -> serde_json::Value {
        json!({
            "type": "object",
            "properties": { "tcp": u16::schema(), "http": HttpHealth::schema() },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

/// What a file in a node holds.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSource {
    /// The text itself.
    pub text: Option<Spanned<String>>,
    /// A file beside the lab file.
    pub from: Option<Spanned<String>>,
    /// Permission bits; 0644 unless given.
    pub mode: Option<FileMode>,
    /// Where it is defined.
    pub place: Place,
}

record! {
    /// A file with its origin and its permission bits.
    WrittenFile, "a file" {
        /// The text itself.
        text: Option<Spanned<String>>,
        /// A file below the lab file's folder.
        from: Option<Spanned<String>>,
        /// Permission bits in octal; `0644` unless given.
        mode: Option<FileMode>,
    }
}

impl Decode for FileSource {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        if matches!(tree.value, Value::Scalar { .. }) {
            let text = Some(Spanned::decode(tree, diagnostics)?);
            return Some(Self {
                text,
                from: None,
                mode: None,
                place: tree.place.clone(),
            });
        }
        let WrittenFile {
            text,
            from,
            mode,
            place,
        } = WrittenFile::decode(tree, diagnostics)?;
        if text.is_some() == from.is_some() {
            wrong_type(tree, "a text, `{ text: … }` or `{ from: … }`", diagnostics);
            return None;
        }
        Some(Self {
            text,
            from,
            mode,
            place,
        })
    }
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": "string" }, WrittenFile::schema()] })
    }
}

record! {
    /// Limits of each process of a node.
    Limits, "limits" {
        /// Address space (`256MiB`), 16 MiB to 1 TiB.
        memory: Option<Spanned<Size>>,
        /// Processes and threads, 1 to 1000000.
        processes: Option<Spanned<u64>>,
        /// Open files, 16 to 1048576.
        open_files: Option<Spanned<u64>>,
    }
}
