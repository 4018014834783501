//! The options as a lab file writes them.

use lab_core::service::OptionError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Options of `office-web-apps`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Options {
    /// The farm's name, which browsers and hosts use; all servers of a farm have the same.
    pub farm: Option<String>,
    /// Names of the hosts whose documents are shown. No other is ever asked.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Port for TLS, 443 unless given.
    pub port: Option<u16>,
    /// Number of the proof key, 0 unless given. A higher one changes the key; the one before is
    /// told as the old key.
    #[serde(default)]
    pub proof_key: u32,
}

impl Options {
    /// Reads them, key by key, so that every mistake is found with its place.
    ///
    /// # Errors
    /// Unknown keys and values of another type.
    pub fn read(value: &Value) -> Result<Self, Vec<OptionError>> {
        let map = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(map) => map,
            _ => {
                return Err(vec![mistake(
                    "",
                    "the options of office-web-apps are a map",
                )]);
            }
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
