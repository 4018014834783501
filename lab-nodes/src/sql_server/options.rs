//! The options as a lab file writes them.

use std::collections::BTreeMap;

use lab_core::service::OptionError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The databases of a server, or of a group of them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Databases {
    /// Every node has all of them.
    Alike(Vec<String>),
    /// Each on its node.
    ByNode(BTreeMap<String, String>),
}

/// A login.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Login {
    /// Its password; without one it is a secret of the lab, which services know that use it.
    pub password: Option<String>,
}

/// Options of `sql-server`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Options {
    /// Its databases: a list, or each name with the node that has it.
    pub databases: Option<Databases>,
    /// Who may log in.
    #[serde(default)]
    pub logins: BTreeMap<String, Login>,
    /// Port, 1433 unless given.
    pub port: Option<u16>,
    /// Most that all its databases hold, in MiB, 64 unless given.
    pub megabytes: Option<u32>,
}

impl Options {
    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(1433)
    }

    /// The databases that a node has.
    pub fn databases_of(&self, node: &str) -> Vec<String> {
        match &self.databases {
            None => Vec::new(),
            Some(Databases::Alike(names)) => names.clone(),
            Some(Databases::ByNode(nodes)) => (nodes.iter())
                .filter(|(_, of)| *of == node)
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }

    /// Reads them, key by key, so that every mistake is found with its place.
    ///
    /// # Errors
    /// Unknown keys and values of another type.
    pub fn read(value: &Value) -> Result<Self, Vec<OptionError>> {
        let map = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(map) => map,
            _ => return Err(vec![mistake("", "the options of sql-server are a map")]),
        };
        let mistakes: Vec<OptionError> = map
            .iter()
            .filter_map(|(key, value)| {
                let alone = serde_json::Map::from_iter([(key.clone(), value.clone())]);
                let error = serde_json::from_value::<Self>(Value::Object(alone)).err()?;
                Some(mistake(&format!("/{key}"), &format!("`{key}`: {error}")))
            })
            .collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        serde_json::from_value(value.clone()).map_err(|error| vec![mistake("", &error.to_string())])
    }
}

/// The JSON schema of the options.
pub(super) fn schema() -> Value {
    schemars::schema_for!(Options).to_value()
}

pub(super) fn mistake(pointer: &str, message: &str) -> OptionError {
    OptionError {
        pointer: pointer.to_owned(),
        message: message.to_owned(),
        help: None,
    }
}
