//! An entry.

use ring::digest::{SHA256, digest};

use super::super::name::Name;
use super::super::schema;
use crate::directory::Sid;

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// The account it stands for, whose state changes while the server runs.
    pub account: Option<String>,
    attributes: Vec<(&'static str, Vec<Vec<u8>>)>,
}

/// When everything was made: a directory that is the same in every run has no clock.
const MADE: &str = "20130101000000.0Z";
/// The same in 100 ns since 1601.
pub(super) const MADE_FILE_TIME: u64 = 130_014_720_000_000_000;

impl Entry {
    /// An entry without attributes: the root's.
    pub fn bare(name: Name) -> Self {
        Self {
            name,
            account: None,
            attributes: Vec::new(),
        }
    }

    /// An object of a class in the partition whose schema is `schema`.
    pub fn new(name: Name, class: &str, schema: &Name) -> Self {
        let mut entry = Self::bare(name);
        let Some(class) = schema::class(class) else {
            return entry;
        };
        let (naming, own) = match entry.name.first() {
            Some((naming, own)) => (naming.to_owned(), own.to_owned()),
            None => (String::new(), String::new()),
        };
        entry.put("objectClass", class.line());
        if let Some(naming) = schema::attribute(&naming) {
            entry.put(naming.name, [own.as_str()]);
        }
        let text = entry.name.to_string();
        entry.put("distinguishedName", [text.as_str()]);
        entry.put("name", [own.as_str()]);
        entry.put("instanceType", ["4"]);
        entry.put("whenCreated", [MADE]);
        entry.put("whenChanged", [MADE]);
        entry.put("objectGUID", [guid(&text.to_lowercase())]);
        let category = schema.child("CN", class.category).to_string();
        entry.put("objectCategory", [category]);
        entry.put("structuralObjectClass", [class.name]);
        entry.put("createTimeStamp", [MADE]);
        entry.put("modifyTimeStamp", [MADE]);
        let described = schema.child("CN", "Aggregate").to_string();
        entry.put("subSchemaSubEntry", [described]);
        entry.put("canonicalName", [canonical(&entry.name)]);
        entry
    }

    /// Sets an attribute; no values: it is not there.
    pub fn put<V: Into<Vec<u8>>>(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) {
        let values: Vec<Vec<u8>> = values.into_iter().map(Into::into).collect();
        self.attributes.retain(|(known, _)| *known != name);
        if !values.is_empty() {
            self.attributes.push((name, values));
        }
    }

    /// Sets an attribute to numbers.
    pub fn put_number(&mut self, name: &'static str, number: impl std::fmt::Display) {
        self.put(name, [number.to_string()]);
    }

    /// Sets its security identifier.
    pub fn put_sid(&mut self, sid: &Sid) {
        self.put("objectSid", [sid.to_bytes()]);
    }

    /// The same with other attributes set.
    #[must_use]
    pub fn with<V: Into<Vec<u8>>>(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.put(name, values);
        self
    }

    /// Sets its update sequence number.
    pub(super) fn number(&mut self, number: u64) {
        self.put_number("uSNCreated", number);
        self.put_number("uSNChanged", number);
    }

    /// Values of an attribute, named as the schema names it.
    pub fn get(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(known, _)| *known == name);
        found.map_or(&[], |(_, values)| values)
    }

    /// All attributes.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &[Vec<u8>])> {
        self.attributes
            .iter()
            .map(|(name, values)| (*name, values.as_slice()))
    }
}

/// A GUID for a text (RFC 9562 §5.8 leaves the making of version 8 to whoever makes it).
pub(super) fn guid(text: &str) -> Vec<u8> {
    let hash = digest(&SHA256, text.as_bytes());
    let mut guid = hash.as_ref()[..16].to_vec();
    // Little endian as [MS-DTYP] §2.3.4.2 has it: the version is in the eighth byte.
    guid[7] = guid[7] & 0x0f | 0x80;
    guid[8] = guid[8] & 0x3f | 0x80;
    guid
}

/// `corp.example.com/Users/Alice` for `CN=Alice,CN=Users,DC=corp,DC=example,DC=com`.
fn canonical(name: &Name) -> String {
    let is_domain = |(attribute, _): &(&str, &str)| attribute.eq_ignore_ascii_case("DC");
    let domain: Vec<&str> = name.parts().filter(is_domain).map(|(_, v)| v).collect();
    let mut path: Vec<&str> = name
        .parts()
        .filter(|part| !is_domain(part))
        .map(|(_, v)| v)
        .collect();
    path.reverse();
    format!("{}/{}", domain.join("."), path.join("/"))
}
