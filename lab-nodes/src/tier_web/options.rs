//! The options as a lab file writes them.

use lab_core::service::OptionError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::login::Methods;

/// A tier that is asked.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Tier {
    /// A group or a node.
    One(String),
    /// Several, of which any one may answer.
    AnyOf(Vec<String>),
}

impl Tier {
    /// The groups and nodes it consists of.
    pub fn parts(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::AnyOf(names) => names,
        }
    }

    /// Its name among the peers.
    pub fn name(&self) -> String {
        self.parts().join("/")
    }
}

/// Options of `tier-web`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Options {
    /// Host names it serves besides the node's own.
    #[serde(default)]
    pub names: Vec<String>,
    /// Tiers it asks, all of which must answer: each a group or node, or a list of them of which
    /// any one may.
    #[serde(default)]
    pub asks: Vec<Tier>,
    /// What people call this tier; that of the segment, else the node's group, unless given.
    pub tier: Option<String>,
    /// Port for TLS, 443 unless given.
    pub port: Option<u16>,
    /// Port that serves the same without TLS.
    pub plain: Option<u16>,
    /// People must log in, by one of these ways: `negotiate` (Kerberos, or NTLM without a ticket),
    /// `ntlm`, `basic`. A domain controller verifies them.
    pub login: Option<Methods>,
    /// Clients must show the certificate of a node that asks this tier; so it is unless
    /// `names` are given.
    pub only_from_peers: Option<bool>,
    /// One of its hosts, or a part of it, is for people alone who signed in at an identity provider.
    pub sign_in: Option<SignIn>,
}

/// Signing in by WS-Federation.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct SignIn {
    /// The host that it is for, one of `names`.
    pub host: String,
    /// Its name for itself in tokens (`urn:sharepoint:partnerweb`).
    pub realm: String,
    /// The path that it is for, with all below it; the whole host unless given.
    pub below: Option<String>,
    /// Nodes whose identity providers are trusted.
    pub trusts: Vec<String>,
}

impl Options {
    /// The TLS port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(443)
    }

    /// Whether clients must be peers.
    pub fn only_from_peers(&self) -> bool {
        self.only_from_peers.unwrap_or(self.names.is_empty())
    }

    /// Reads them, key by key, so that every mistake is found with its place.
    ///
    /// # Errors
    /// Unknown keys and values of another type.
    pub fn read(value: &Value) -> Result<Self, Vec<OptionError>> {
        let map = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(map) => map,
            _ => return Err(vec![mistake("", "the options of tier-web are a map")]),
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

fn mistake(pointer: &str, message: &str) -> OptionError {
    OptionError {
        pointer: pointer.to_owned(),
        message: message.to_owned(),
        help: None,
    }
}
