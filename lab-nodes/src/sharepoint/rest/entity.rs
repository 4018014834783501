//! Entities, and the forms in which OData writes them: JSON with much, little or no metadata, Atom.

use serde_json::{Map, Value, json};

use super::options::Options;
use crate::sharepoint::dav::xml::escape;

/// Something with properties.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Its type (`SP.Web`).
    pub kind: String,
    /// Its address below `_api/`.
    pub address: String,
    pub etag: Option<String>,
    properties: Vec<(String, Value)>,
    /// What can be asked for by its name, and what of it is in the answer already.
    links: Vec<(String, Option<Linked>)>,
}

/// Something linked that is in the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Linked {
    One(Box<Entity>),
    Many(Vec<Entity>),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Verbose,
    Minimal,
    Bare,
    Atom,
}

impl Form {
    /// The one that a client wants. SharePoint 2013 writes Atom to who says nothing.
    pub fn wanted(accept: &str) -> Self {
        let accept = accept.to_ascii_lowercase().replace(' ', "");
        match () {
            () if accept.contains("odata=verbose") => Self::Verbose,
            () if accept.contains("odata=nometadata") => Self::Bare,
            () if accept.contains("json") => Self::Minimal,
            () => Self::Atom,
        }
    }

    /// The content type of answers.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Verbose => "application/json;odata=verbose;charset=utf-8",
            Self::Minimal => "application/json;odata=minimalmetadata;streaming=true;charset=utf-8",
            Self::Bare => "application/json;odata=nometadata;streaming=true;charset=utf-8",
            Self::Atom => "application/atom+xml;type=entry;charset=utf-8",
        }
    }
}

impl Entity {
    pub fn new(kind: &str, address: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            address: address.to_owned(),
            etag: None,
            properties: Vec::new(),
            links: Vec::new(),
        }
    }

    pub fn put(&mut self, name: &str, value: Value) -> &mut Self {
        self.properties.push((name.to_owned(), value));
        self
    }

    pub fn link(&mut self, name: &str) -> &mut Self {
        self.links.push((name.to_owned(), None));
        self
    }

    /// Puts something linked into the answer.
    pub fn expand(&mut self, name: &str, linked: Linked) {
        for (link, there) in &mut self.links {
            if link.eq_ignore_ascii_case(name) {
                *there = Some(linked);
                return;
            }
        }
    }

    /// Names of its links.
    pub fn links(&self) -> Vec<String> {
        self.links.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A property, by its name as SharePoint writes it or otherwise; null: it has none.
    pub fn value(&self, name: &str) -> Value {
        self.property(name)
            .map_or(Value::Null, |(_, value)| value.clone())
    }

    /// A property with its name.
    pub fn property(&self, name: &str) -> Option<(&str, &Value)> {
        let found = self
            .properties
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(name, value)| (name.as_str(), value))
    }

    fn json(&self, form: Form, site: &str, options: &Options) -> Value {
        let uri = format!("{site}/_api/{}", self.address);
        let mut out = Map::new();
        match form {
            Form::Verbose => {
                let mut metadata = json!({ "id": uri, "uri": uri, "type": self.kind });
                if let (Some(etag), Value::Object(metadata)) = (&self.etag, &mut metadata) {
                    metadata.insert("etag".into(), json!(etag));
                }
                out.insert("__metadata".into(), metadata);
            }
            Form::Minimal => {
                out.insert("odata.type".into(), json!(self.kind));
                out.insert("odata.id".into(), json!(uri));
                if let Some(etag) = &self.etag {
                    out.insert("odata.etag".into(), json!(etag));
                }
                out.insert("odata.editLink".into(), json!(self.address));
            }
            Form::Bare | Form::Atom => {}
        }
        let inner = Options::default();
        for (name, linked) in &self.links {
            match linked {
                Some(Linked::One(entity)) => {
                    out.insert(name.clone(), entity.json(form, site, &inner));
                }
                Some(Linked::Many(entities)) => {
                    let all = entities
                        .iter()
                        .map(|entity| entity.json(form, site, &inner))
                        .collect();
                    let all = match form {
                        Form::Verbose => json!({ "results": Value::Array(all) }),
                        _ => Value::Array(all),
                    };
                    out.insert(name.clone(), all);
                }
                None if form == Form::Verbose && options.wants(name) => {
                    let deferred = json!({ "__deferred": { "uri": format!("{uri}/{name}") } });
                    out.insert(name.clone(), deferred);
                }
                None => {}
            }
        }
        for (name, value) in &self.properties {
            if options.wants(name) {
                out.insert(name.clone(), value.clone());
            }
        }
        Value::Object(out)
    }

    fn atom(&self, site: &str, options: &Options, spaces: bool) -> String {
        let uri = escape(&format!("{site}/_api/{}", self.address));
        let spaces = if spaces { SPACES } else { "" };
        let base = match spaces {
            "" => String::new(),
            _ => format!(" xml:base=\"{}/_api/\"", escape(site)),
        };
        let etag = self
            .etag
            .as_deref()
            .map_or_else(String::new, |etag| format!(" m:etag=\"{}\"", escape(etag)));
        let links: String = self
            .links
            .iter()
            .map(|(name, _)| {
                format!(
                    "<link rel=\"http://schemas.microsoft.com/ado/2007/08/dataservices/related/{0}\" \
                     type=\"application/atom+xml;type=entry\" title=\"{0}\" href=\"{1}/{0}\"/>",
                    escape(name),
                    escape(&self.address)
                )
            })
            .collect();
        let wanted = self
            .properties
            .iter()
            .filter(|(name, _)| options.wants(name));
        let properties: String = wanted
            .map(|(name, value)| atom_property(name, value, ""))
            .collect();
        format!(
            "<entry{base}{spaces}{etag}><id>{uri}</id><category term=\"{}\" \
             scheme=\"http://schemas.microsoft.com/ado/2007/08/dataservices/scheme\"/>\
             <link rel=\"edit\" href=\"{}\"/>{links}<title/><updated>{}</updated>\
             <author><name/></author><content type=\"application/xml\"><m:properties>{properties}\
             </m:properties></content></entry>",
            escape(&self.kind),
            escape(&self.address),
            crate::sharepoint::clock::now(),
        )
    }
}

const SPACES: &str = " xmlns=\"http://www.w3.org/2005/Atom\" \
    xmlns:d=\"http://schemas.microsoft.com/ado/2007/08/dataservices\" \
    xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\"";
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// One entity.
pub fn one(entity: &Entity, form: Form, site: &str, options: &Options) -> String {
    let out = entity.json(form, site, options);
    match (form, out) {
        (Form::Atom, _) => format!("{HEAD}{}", entity.atom(site, options, true)),
        (Form::Verbose, out) => json!({ "d": out }).to_string(),
        (Form::Minimal, Value::Object(mut out)) => {
            let context = format!("{site}/_api/$metadata#SP.ApiData.{}/@Element", entity.kind);
            out.insert("odata.metadata".into(), json!(context));
            Value::Object(out).to_string()
        }
        (_, out) => out.to_string(),
    }
}

/// Several.
pub fn many(
    entities: &[Entity],
    address: &str,
    form: Form,
    site: &str,
    options: &Options,
) -> String {
    if form == Form::Atom {
        let entries: String = entities
            .iter()
            .map(|entity| entity.atom(site, options, false))
            .collect();
        return format!(
            "{HEAD}<feed xml:base=\"{0}/_api/\"{SPACES}><id>{0}/_api/{1}</id><title/>\
             <updated>{2}</updated>{entries}</feed>",
            escape(site),
            escape(address),
            crate::sharepoint::clock::now(),
        );
    }
    let all = entities
        .iter()
        .map(|entity| entity.json(form, site, options))
        .collect();
    let all = Value::Array(all);
    match form {
        Form::Verbose => json!({ "d": { "results": all } }).to_string(),
        Form::Minimal => {
            let context = format!("{site}/_api/$metadata#SP.ApiData.{address}");
            json!({ "odata.metadata": context, "value": all }).to_string()
        }
        _ => json!({ "value": all }).to_string(),
    }
}

/// A value of a property, or what a function gives; `kind`: the type of a complex one.
pub fn value(name: &str, value: &Value, kind: &str, form: Form, site: &str) -> String {
    match form {
        Form::Atom => format!("{HEAD}{}", atom_property(name, value, SPACES)),
        Form::Verbose => json!({ "d": { name: verbose(value, kind) } }).to_string(),
        _ => {
            let mut out = Map::new();
            if form == Form::Minimal {
                let context = match kind {
                    "" => format!("{site}/_api/$metadata#Edm.String"),
                    kind => format!("{site}/_api/$metadata#{kind}"),
                };
                out.insert("odata.metadata".into(), json!(context));
            }
            match value {
                Value::Object(inner) => out.extend(inner.clone()),
                other => {
                    out.insert("value".into(), other.clone());
                }
            }
            Value::Object(out).to_string()
        }
    }
}

/// With `results` around arrays and the type in objects.
fn verbose(value: &Value, kind: &str) -> Value {
    match value {
        Value::Array(all) => {
            let all: Vec<Value> = all.iter().map(|value| verbose(value, "")).collect();
            json!({ "results": all })
        }
        Value::Object(inner) => {
            let mut out = Map::new();
            if !kind.is_empty() {
                out.insert("__metadata".into(), json!({ "type": kind }));
            }
            out.extend(
                inner
                    .iter()
                    .map(|(name, value)| (name.clone(), verbose(value, ""))),
            );
            Value::Object(out)
        }
        other => other.clone(),
    }
}

fn atom_property(name: &str, value: &Value, spaces: &str) -> String {
    // Names of fields come from clients.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return String::new();
    }
    match value {
        Value::Null => format!("<d:{name}{spaces} m:null=\"true\"/>"),
        Value::Bool(is) => format!("<d:{name}{spaces} m:type=\"Edm.Boolean\">{is}</d:{name}>"),
        Value::Number(number) => {
            format!("<d:{name}{spaces} m:type=\"Edm.Int32\">{number}</d:{name}>")
        }
        Value::String(text) => format!("<d:{name}{spaces}>{}</d:{name}>", escape(text)),
        Value::Array(all) => {
            let all: String = all
                .iter()
                .map(|value| atom_property("element", value, ""))
                .collect();
            format!("<d:{name}{spaces}>{all}</d:{name}>")
        }
        Value::Object(inner) => {
            let inner: String = inner
                .iter()
                .map(|(name, value)| atom_property(name, value, ""))
                .collect();
            format!("<d:{name}{spaces}>{inner}</d:{name}>")
        }
    }
}

/// Why it was not done.
pub fn error(code: &str, message: &str, form: Form) -> String {
    let said = json!({ "code": code, "message": { "lang": "en-US", "value": message } });
    match form {
        Form::Verbose => json!({ "error": said }).to_string(),
        Form::Minimal | Form::Bare => json!({ "odata.error": said }).to_string(),
        Form::Atom => format!(
            "{HEAD}<m:error xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\">\
             <m:code>{}</m:code><m:message xml:lang=\"en-US\">{}</m:message></m:error>",
            escape(code),
            escape(message)
        ),
    }
}
