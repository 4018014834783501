//! `record!`: a struct, its decoder and its JSON schema from one text. `words!`: the
//! same for an enumeration of words.

/// Declares a map of the lab file. The key of a field is its name with `-` for `_`, or
/// what stands after `as`. Every record also has the `place` it was written at.
macro_rules! record {
    (
        $(#[doc = $about:literal])+
        $name:ident, $what:literal {
            $( $(#[doc = $doc:literal])+ $field:ident $(as $key:literal)? : $type:ty, )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
            /// Where it stands.
            pub place: $crate::model::Place,
        }

        impl $crate::model::Decode for $name {
            fn decode(
                tree: &$crate::model::Tree,
                diagnostics: &mut Vec<$crate::model::Diagnostic>,
            ) -> Option<Self> {
                let mut fields = $crate::model::decode::Fields::open(tree, $what, diagnostics)?;
                $( let $field = fields.take::<$type>(
                    &$crate::model::record::key(stringify!($field), [$($key)?].first().copied()),
                    diagnostics,
                ); )*
                fields.close(diagnostics);
                Some(Self { $( $field: $field?, )* place: tree.place.clone() })
            }

            fn schema() -> serde_json::Value {
                let mut properties = serde_json::Map::new();
                #[allow(unused_mut, reason = "records without a required key")]
                let mut required: Vec<String> = Vec::new();
                $(
                    let key = $crate::model::record::key(
                        stringify!($field), [$($key)?].first().copied());
                    if <$type as $crate::model::Decode>::absent().is_none() {
                        required.push(key.clone());
                    }
                    properties.insert(key, $crate::model::record::described(
                        <$type as $crate::model::Decode>::schema(), &[$($doc),+]));
                )*
                serde_json::json!({
                    "type": "object",
                    "description": $crate::model::record::description(&[$($about),+]),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }
        }
    };
}
pub(crate) use record;

/// Declares an enumeration of words.
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        $name:ident, $what:literal {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $doc])+ $variant, )+ }

        impl $crate::model::Decode for $name {
            fn decode(
                tree: &$crate::model::Tree,
                diagnostics: &mut Vec<$crate::model::Diagnostic>,
            ) -> Option<Self> {
                match &tree.value {
                    $( $crate::model::Value::Scalar { text, .. } if text == $word =>
                        Some(Self::$variant), )+
                    _ => {
                        let words = [$(concat!("`", $word, "`")),+].join(", ");
                        let wanted = format!("{} ({words})", $what);
                        $crate::model::decode::wrong_type(tree, &wanted, diagnostics);
                        None
                    }
                }
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({
                    "enum": [$($word),+],
                    "description": $crate::model::record::description(&[$($about),+]),
                })
            }
        }
    };
}
pub(crate) use words;

/// The key of a field.
pub fn key(field: &str, key: Option<&str>) -> String {
    key.map_or_else(|| field.replace('_', "-"), str::to_owned)
}

/// Doc comment lines as one text.
pub fn description(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
        .replace("[`", "`")
        .replace("`]", "`")
}

/// A schema with the field's own description in front of its type's.
pub fn described(schema: serde_json::Value, lines: &[&str]) -> serde_json::Value {
    let mut schema = schema;
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".into(), description(lines).into());
    }
    schema
}
