//! The JSON schema of the lab file, for editors (`lab schema`).

use serde_json::{Map, Value, json};

use crate::model::Decode;
use crate::model::file::File;
use crate::model::service::Restart;
use crate::service::Catalogue;

/// JSON Schema 2020-12 of a lab file, with the options of every service of the catalogue.
pub fn schema(catalogue: Catalogue) -> Value {
    let mut schema = File::schema();
    let names: Vec<Value> = catalogue
        .iter()
        .map(|service| json!({ "const": service.name(), "description": service.about() }))
        .collect();
    let mut uses = vec![json!({ "$ref": "#/$defs/service-name" })];
    for service in catalogue.iter() {
        let name = service.name();
        uses.push(json!({
            "type": "object",
            "description": service.about(),
            "properties": { name: options(name, service.options_schema()) },
            "required": [name],
            "additionalProperties": false,
        }));
    }
    if let Value::Object(root) = &mut schema {
        root.insert(
            "$schema".into(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        root.insert("title".into(), "Tierlab lab file".into());
        // An included file is a lab file without a name: nothing is required of one alone.
        root.remove("required");
        root.insert(
            "$defs".into(),
            json!({ "service-name": { "anyOf": names }, "service-use": { "anyOf": uses } }),
        );
    }
    schema
}

/// A service's own schema, with the keys that every service has.
fn options(name: &str, schema: Value) -> Value {
    let Value::Object(mut schema) = schema else {
        return json!({ "type": ["object", "null"] });
    };
    // Its own base: `#/$defs/…` of the service then means the service's definitions.
    schema.insert("$id".into(), format!("urn:tierlab:service:{name}").into());
    schema.remove("$schema");
    schema.insert("type".into(), json!(["object", "null"]));
    let properties = schema
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(properties) = properties {
        properties.insert(
            "name".into(),
            json!({ "type": "string", "description": "Instance name; the service's unless given." }),
        );
        properties.insert("restart".into(), Restart::schema());
    }
    Value::Object(schema)
}
