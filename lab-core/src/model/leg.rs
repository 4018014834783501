//! `on:`, which can be written short or long.

use serde_json::json;

use super::decode::wrong_type;
use super::record::record;
use super::units::{Rate, Share, Time};
use super::{Decode, Diagnostic, Many, Place, Spanned, Tree, Value};

/// Where a node stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Legs(pub Vec<Leg>);

/// A node's leg on a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// The segment.
    pub segment: Spanned<String>,
    /// Properties and addresses.
    pub options: LegOptions,
    /// Where it stands, addresses included.
    pub place: Place,
}

record! {
    /// A leg with its addresses and the properties of its wire.
    LegOptions, "a leg of a node" {
        /// Addresses, the primary one first (`.65`, `10.0.0.5`); derived where absent.
        address: Many<Spanned<String>>,
        /// Largest packet in bytes; the segment's unless given.
        mtu: Option<Spanned<u32>>,
        /// Rate limit on what the node sends (`10mbit`).
        rate: Option<Rate>,
        /// Delay added to what the node sends (`20ms`).
        delay: Option<Time>,
        /// Share of packets lost of what the node sends (`1%`).
        loss: Option<Share>,
    }
}

impl LegOptions {
    fn derived(place: Place) -> Self {
        Self {
            address: Many(Vec::new()),
            mtu: None,
            rate: None,
            delay: None,
            loss: None,
            place,
        }
    }
}

impl Decode for WrittenLeg {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let options = match &tree.value {
            Value::Map(_) => LegOptions::decode(tree, diagnostics)?,
            Value::Null => LegOptions::derived(tree.place.clone()),
            _ => LegOptions {
                address: Many::decode(tree, diagnostics)?,
                ..LegOptions::derived(tree.place.clone())
            },
        };
        Some(Self(options))
    }
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            { "type": ["string", "number", "null"] },
            { "type": "array", "items": { "type": ["string", "number"] } },
            LegOptions::schema(),
        ] })
    }
}

/// [`LegOptions`], or its short forms.
struct WrittenLeg(LegOptions);

impl Decode for Legs {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let by_name = |tree: &Tree, diagnostics: &mut Vec<Diagnostic>| {
            let segment: Spanned<String> = Spanned::decode(tree, diagnostics)?;
            let place = segment.place.clone();
            Some(Leg {
                segment,
                options: LegOptions::derived(place.clone()),
                place,
            })
        };
        match &tree.value {
            Value::Scalar { .. } => by_name(tree, diagnostics).map(|leg| Self(vec![leg])),
            Value::List(items) => {
                // One wrong leg leaves no trustworthy rest, but all are looked at.
                let legs: Vec<_> = items
                    .iter()
                    .map(|item| by_name(item, diagnostics))
                    .collect();
                legs.into_iter().collect::<Option<_>>().map(Self)
            }
            Value::Map(entries) => Some(Self(
                entries
                    .iter()
                    .filter_map(|(segment, tree)| {
                        let WrittenLeg(options) = WrittenLeg::decode(tree, diagnostics)?;
                        let place = segment.place.clone();
                        Some(Leg {
                            segment: segment.clone(),
                            options,
                            place,
                        })
                    })
                    .collect(),
            )),
            Value::Null => {
                wrong_type(tree, "a segment, a list of them, or a map", diagnostics);
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
            { "type": "object", "additionalProperties": WrittenLeg::schema() },
        ] })
    }
}
