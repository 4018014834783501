//! DNS views, zones and records.

use serde_json::json;

use super::decode::wrong_type;
use super::record::record;
use super::{Decode, Diagnostic, Many, Map, OneOrMore, Place, Spanned, Tree, Value};

record! {
    /// The lab's names.
    Dns, "`dns`" {
        /// Which server gives which clients which answers, by name.
        views: Map<View>,
        /// Zones.
        zones: Vec<Zone>,
    }
}

record! {
    /// Which server gives which clients which answers.
    View, "a view" {
        /// The node that serves it.
        server: Spanned<String>,
        /// Clients that get it: `any`, prefixes, segments, pools, nodes; any unless given.
        clients: Many<Spanned<String>>,
        /// Where names of no zone of the view are asked: nodes or addresses.
        forward: Many<Spanned<String>>,
        /// Derives reverse zones from its addresses; `true` unless given.
        reverse: Option<bool>,
    }
}

record! {
    /// A zone, in one view or several.
    Zone, "a zone" {
        /// Its origin (`contoso.com`).
        zone: Spanned<String>,
        /// The view, or a list of views, that show it.
        view: OneOrMore<Spanned<String>>,
        /// Starts from the same zone of that view; owners written here replace its.
        like: Option<Spanned<String>>,
        /// Adds an address record for every node of that domain.
        nodes: Option<bool>,
        /// Records by owner, relative to the zone; `@` is the zone itself.
        records: Map<Option<RecordSet>>,
    }
}

/// All records of one owner: an address or a list of addresses, or a map by type.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordSet {
    /// What was written.
    pub records: Records,
    /// Where it stands.
    pub place: Place,
}

record! {
    /// Records of one owner by type.
    Records, "a record set" {
        /// Addresses: literal, a node, node.label, or a balancer.
        address: Many<Spanned<String>>,
        /// The name it is an alias of.
        cname: Option<Spanned<String>>,
        /// Mail exchangers: `[preference, host]`, or a list of such.
        mx: Rows,
        /// Name servers.
        ns: Many<Spanned<String>>,
        /// Reverse names.
        ptr: Many<Spanned<String>>,
        /// Service locations: `[priority, weight, port, host]`, or a list of such.
        srv: Rows,
        /// Texts.
        txt: Many<Spanned<String>>,
        /// Time to live in seconds; 300 unless given.
        ttl: Option<u32>,
    }
}

impl Decode for RecordSet {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let records = match &tree.value {
            Value::Map(_) => Records::decode(tree, diagnostics)?,
            _ => Records {
                address: Many::decode(tree, diagnostics)?,
                cname: None,
                mx: Rows::default(),
                ns: Many::default(),
                ptr: Many::default(),
                srv: Rows::default(),
                txt: Many::default(),
                ttl: None,
                place: tree.place.clone(),
            },
        };
        Some(Self {
            records,
            place: tree.place.clone(),
        })
    }
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
            Records::schema(),
        ] })
    }
}

/// Rows of words: one row, or a list of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows(pub Vec<Row>);

/// One row of words.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The words.
    pub words: Vec<Spanned<String>>,
    /// Where it stands.
    pub place: Place,
}

impl Decode for Row {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::List(_) => {
                let words = Vec::decode(tree, diagnostics)?;
                Some(Self {
                    words,
                    place: tree.place.clone(),
                })
            }
            _ => {
                wrong_type(
                    tree,
                    "a list in brackets, like `[10, mail.example]`",
                    diagnostics,
                );
                None
            }
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "array", "items": { "type": ["string", "integer"] } })
    }
}

impl Decode for Rows {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match &tree.value {
            Value::Null => Some(Self::default()),
            Value::List(items)
                if items
                    .iter()
                    .all(|item| matches!(item.value, Value::List(_))) =>
            {
                Vec::decode(tree, diagnostics).map(Self)
            }
            _ => Row::decode(tree, diagnostics).map(|row| Self(vec![row])),
        }
    }
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [Row::schema(), { "type": "array", "items": Row::schema() }] })
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
