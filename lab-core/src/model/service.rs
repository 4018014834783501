//! Uses of services. Their options are read by the service itself: here they only
//! become JSON, with the place of each.

use std::collections::BTreeMap;

use serde_json::json;

use super::decode::wrong_type;
use super::record::words;
use super::{Decode, Diagnostic, Place, Spanned, Tree, Value};

words! {
    /// When a process that ended is started again.
    Restart, "a restart rule" {
        /// Always, with back-off.
        Always = "always",
        /// When it failed.
        OnFailure = "on-failure",
        /// Never.
        Never = "never",
    }
}

/// A service, and how it shall work.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceUse {
    /// Name in the catalogue.
    pub service: Spanned<String>,
    /// Instance name.
    pub name: Option<Spanned<String>>,
    /// Restart rule.
    pub restart: Option<Restart>,
    /// The service's own options, an object.
    pub options: serde_json::Value,
    /// Where each option stands, by JSON pointer.
    pub option_places: BTreeMap<String, Place>,
    /// Where it is used.
    pub place: Place,
}

impl ServiceUse {
    /// A service without options.
    pub fn plain(service: Spanned<String>) -> Self {
        let place = service.place.clone();
        Self {
            service,
            name: None,
            restart: None,
            options: json!({}),
            option_places: BTreeMap::new(),
            place,
        }
    }
}

impl Decode for ServiceUse {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let entries = match &tree.value {
            Value::Scalar { .. } => return Spanned::decode(tree, diagnostics).map(Self::plain),
            Value::Map(entries) => entries,
            _ => {
                wrong_type(
                    tree,
                    "a service's name, or `{ name: { options } }`",
                    diagnostics,
                );
                return None;
            }
        };
        let [(service, options)] = entries.as_slice() else {
            diagnostics.push(
                Diagnostic::error(
                    "lab::wrong-type",
                    "Each entry of `services` is one service.",
                    &tree.place,
                    format!("{} keys in one entry", entries.len()),
                )
                .help("write a list: `- one: { … }` and `- other: { … }`, options indented below"),
            );
            return None;
        };
        let mut used = Self::plain(service.clone());
        match &options.value {
            Value::Null => return Some(used),
            Value::Map(_) => {}
            _ => {
                wrong_type(options, "the service's options (a map)", diagnostics);
                return None;
            }
        }
        if let Some(name) = options.get("name") {
            used.name = Some(Spanned::decode(name, diagnostics)?);
        }
        if let Some(restart) = options.get("restart") {
            used.restart = Some(Restart::decode(restart, diagnostics)?);
        }
        used.options = to_json(options, String::new(), &mut used.option_places);
        if let Some(object) = used.options.as_object_mut() {
            object.remove("name");
            object.remove("restart");
        }
        Some(used)
    }

    fn schema() -> serde_json::Value {
        // Which services there are, the catalogue knows: `check::schema` defines this.
        json!({ "$ref": "#/$defs/service-use" })
    }
}

/// Scalars become what JSON would call them; all else (`.10`, `on`, `0644`, `1e3`) is text.
fn to_json(
    tree: &Tree,
    pointer: String,
    places: &mut BTreeMap<String, Place>,
) -> serde_json::Value {
    places.insert(pointer.clone(), tree.place.clone());
    match &tree.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar { text, quoted: true } => text.as_str().into(),
        Value::Scalar { text, .. } => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            text if is_plain_number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.into())
            }
            text => text.into(),
        },
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| to_json(item, format!("{pointer}/{index}"), places))
            .collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| {
                // RFC 6901 §3.
                let token = key.value.replace('~', "~0").replace('/', "~1");
                (
                    key.value.clone(),
                    to_json(value, format!("{pointer}/{token}"), places),
                )
            })
            .collect(),
    }
}

fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_what_was_written() {
        let yaml =
            "a: .10\nb: on\nc: 0644\nd: 1e3\ne: 12\nf: -1.5\ng: \"12\"\nh: true\ni:\nj: [x/y]\n";
        let tree = crate::model::yaml::parse("lab.yaml", yaml, &mut Vec::new()).expect("YAML");
        let mut places = BTreeMap::new();
        assert_eq!(
            to_json(&tree, String::new(), &mut places),
            json!({
                "a": ".10", "b": "on", "c": "0644", "d": "1e3", "e": 12, "f": -1.5,
                "g": "12", "h": true, "i": null, "j": ["x/y"]
            })
        );
        assert_eq!((places["/j/0"].line, places["/j/0"].column), (10, 5));
    }
}
