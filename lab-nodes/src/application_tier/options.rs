//! From options and lab to what a service of this tier needs. Pure.

use std::collections::BTreeSet;

use lab_core::check::Lab;
use lab_core::plan::{Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LOGIN;
use crate::sql_client::Source;

/// Its listener.
pub(super) const LISTENER: &str = "https";

/// Options.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Options {
    /// Groups and nodes that may ask; any node of the lab, unless given.
    #[serde(default)]
    asked_by: Vec<String>,
    /// Port, 443 unless given.
    port: Option<u16>,
}

/// What a running service knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Its port.
    pub port: u16,
    /// Fully qualified names of who may ask; empty: any node of the lab.
    pub asked_by: Vec<String>,
    /// The databases it asks.
    pub databases: Vec<Source>,
}

impl Settings {
    /// The database of that name.
    pub fn database(&self, name: &str) -> Option<&Source> {
        self.databases.iter().find(|source| source.database == name)
    }
}

/// The JSON schema of the options.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(Options).to_value()
}

/// What a service needs that asks these databases and stores at most so many bytes.
///
/// # Errors
/// Mistakes in the options; a database that no server of the lab has.
pub(crate) fn setup(
    request: &SetupRequest<'_>,
    databases: &[&str],
    store: u64,
) -> Result<Setup, Vec<OptionError>> {
    let lab = request.lab;
    let mistake = |pointer: &str, message: String, help: &str| OptionError {
        pointer: pointer.to_owned(),
        message,
        help: (!help.is_empty()).then(|| help.to_owned()),
    };
    let written = match request.options {
        Value::Null => Value::Object(serde_json::Map::new()),
        other => other.clone(),
    };
    let options: Options = serde_json::from_value(written)
        .map_err(|error| vec![mistake("", error.to_string(), "")])?;
    let mut mistakes = Vec::new();
    let mut asked_by = Vec::new();
    for (at, name) in options.asked_by.iter().enumerate() {
        let names = nodes_of(lab, name);
        if names.is_empty() {
            let text = format!("there is no node or group `{name}`");
            mistakes.push(mistake(&format!("/asked-by/{at}"), text, ""));
        }
        asked_by.extend(names);
    }
    let mut sources = Vec::new();
    for database in databases {
        match Source::find(lab, database, LOGIN) {
            Some(source) => sources.push(source),
            None => mistakes.push(mistake(
                "",
                format!("no `sql-server` of the lab has the database `{database}`"),
                "name it in the option `databases` of a `sql-server`, whose `logins` have `sharepoint: {}`",
            )),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let secrets: BTreeSet<String> = sources.iter().map(Source::secret).collect();
    let port = options.port.unwrap_or(443);
    let settings = Settings {
        port,
        asked_by,
        databases: sources,
    };
    Ok(Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: vec![Listen {
            name: LISTENER.to_owned(),
            protocol: Transport::Tcp,
            address: None,
            port,
        }],
        secrets: secrets.into_iter().collect(),
        store,
        ..Setup::default()
    })
}

/// Fully qualified names of the nodes of a group, or of a node.
fn nodes_of(lab: &Lab, name: &str) -> Vec<String> {
    let group = lab.groups.get(name);
    let nodes = group
        .into_iter()
        .flatten()
        .filter_map(|node| lab.nodes.get(node));
    let alone = group.is_none().then(|| lab.nodes.get(name)).flatten();
    nodes
        .chain(alone)
        .map(|node| node.fqdn.to_ascii_lowercase())
        .collect()
}
