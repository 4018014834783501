//! The options as a lab file writes them.

use std::collections::BTreeMap;

use lab_core::service::OptionError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Options of `identity-provider`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Options {
    /// Host names it serves besides the node's own; the first is the one that its addresses have.
    #[serde(default)]
    pub names: Vec<String>,
    /// What people call it; the node's domain unless given.
    pub title: Option<String>,
    /// Its name for itself in tokens; `http://NAME/adfs/services/trust` unless given.
    pub issuer: Option<String>,
    /// The sites that it makes tokens for.
    #[serde(default)]
    pub relying_parties: Vec<RelyingParty>,
    /// People by their mail addresses.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    /// How long a token is valid, in seconds: 1 to 86,400, 3600 unless given.
    pub token_lifetime: Option<u64>,
    /// How long a login lasts here, in seconds: 1 to 604,800, 28,800 unless given.
    pub session_lifetime: Option<u64>,
    /// Seconds that its clock is ahead, or behind where negative: a day at most. 0 unless given.
    #[serde(default)]
    pub clock_error: i64,
}

/// A site that tokens are made for.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RelyingParty {
    /// Its name for itself (`urn:sharepoint:partnerweb`): wtrealm, or the issuer of its requests.
    pub realm: String,
    /// Where its tokens may be sent to; the first unless it asks for another.
    pub replies: Vec<String>,
    /// What people call it; its realm unless given.
    pub name: Option<String>,
}

/// Somebody who can log in.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct User {
    /// Display name.
    pub name: String,
    /// Password.
    pub password: String,
    /// User principal name; the mail address unless given.
    pub upn: Option<String>,
    /// Roles.
    #[serde(default)]
    pub roles: Vec<String>,
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
                    "the options of identity-provider are a map",
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
