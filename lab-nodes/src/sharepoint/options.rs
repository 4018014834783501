//! The options as a lab file writes them.

use std::collections::BTreeMap;

use lab_core::service::OptionError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A way to sign in to a web application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SignIn {
    /// Kerberos or NTLM, verified by the domain.
    Windows,
    /// A page that asks for name and password: accounts of this farm, and those of the domain.
    Forms,
    /// A token of a trusted identity provider.
    Trusted,
}

/// A web application.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Application {
    /// What its pages are headed by.
    pub title: String,
    /// How people sign in; by Windows unless given.
    #[serde(default)]
    pub sign_in: Vec<SignIn>,
    /// Groups that may read it; `everyone` is whoever signed in.
    pub readers: Vec<String>,
    /// Groups that may change it, too.
    #[serde(default)]
    pub writers: Vec<String>,
    /// Everybody who may read it has a site of their own below `/personal`.
    #[serde(default)]
    pub personal: bool,
}

/// A trusted identity provider.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Trusted {
    /// Groups that people with a token of it belong to. What roles the provider itself names counts
    /// for nothing here.
    pub groups: Vec<String>,
}

/// An account that only this farm knows.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FormsAccount {
    /// Display name.
    pub name: String,
    /// Password.
    pub password: String,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// Options of `sharepoint-front-end`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Options {
    /// Web applications by their host names.
    #[serde(default)]
    pub applications: BTreeMap<String, Application>,
    /// Nodes that run an identity provider which is trusted.
    #[serde(default)]
    pub trusted: BTreeMap<String, Trusted>,
    /// Accounts that only this farm knows.
    #[serde(default)]
    pub accounts: BTreeMap<String, FormsAccount>,
    /// The group or node of the search tier.
    pub search: Option<String>,
    /// The group or node of the tier that works jobs off.
    pub batch: Option<String>,
    /// The host name of the Office Web Apps farm.
    pub office_web_apps: Option<String>,
    /// Largest file in MiB: 1 to 64, 16 unless given.
    pub upload_limit: Option<u64>,
    /// How long a login lasts, in seconds: 1 to 604,800, 36,000 unless given.
    pub session_lifetime: Option<u64>,
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
                let message = "the options of sharepoint-front-end are a map";
                return Err(vec![mistake("", message, "")]);
            }
        };
        let mistakes: Vec<OptionError> = map
            .iter()
            .filter_map(|(key, value)| {
                let alone = serde_json::Map::from_iter([(key.clone(), value.clone())]);
                let error = serde_json::from_value::<Self>(Value::Object(alone)).err()?;
                Some(mistake(
                    &format!("/{key}"),
                    &format!("`{key}`: {error}"),
                    "",
                ))
            })
            .collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        serde_json::from_value(value.clone())
            .map_err(|error| vec![mistake("", &error.to_string(), "")])
    }
}

/// The JSON schema of the options.
pub(super) fn schema() -> Value {
    schemars::schema_for!(Options).to_value()
}

pub(super) fn mistake(pointer: &str, message: &str, help: &str) -> OptionError {
    OptionError {
        pointer: pointer.to_owned(),
        message: message.to_owned(),
        help: (!help.is_empty()).then(|| help.to_owned()),
    }
}
