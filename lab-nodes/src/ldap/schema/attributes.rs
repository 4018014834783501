//! Attributes.

/// An attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Its name (lDAPDisplayName).
    pub name: &'static str,
    /// Its object identifier.
    pub oid: &'static str,
    /// Its syntax.
    pub syntax: Syntax,
    /// It has one value at most.
    pub single: bool,
    /// It is computed, and given to those alone who name it.
    pub on_request: bool,
}

/// A syntax ([MS-ADTS] §3.1.1.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Text, compared without regard to case.
    Text,
    /// Text of ASCII, compared with regard to it.
    Exact,
    /// An object identifier, or the name of a class.
    Oid,
    /// A distinguished name.
    Name,
    /// A number of 32 bits.
    Number,
    /// A number of 64 bits.
    Large,
    /// TRUE or FALSE.
    Truth,
    /// Bytes.
    Bytes,
    /// A security identifier.
    Sid,
    /// A time (`20130101000000.0Z`).
    Time,
}

impl Syntax {
    /// Its identifier in attribute definitions ([MS-ADTS] §3.1.1.3.1.1.2).
    pub fn oid(self) -> &'static str {
        match self {
            Self::Text => "1.3.6.1.4.1.1466.115.121.1.15",
            Self::Exact => "1.3.6.1.4.1.1466.115.121.1.26",
            Self::Oid => "1.3.6.1.4.1.1466.115.121.1.38",
            Self::Name => "1.3.6.1.4.1.1466.115.121.1.12",
            Self::Number => "1.3.6.1.4.1.1466.115.121.1.27",
            Self::Large => "1.2.840.113556.1.4.906",
            Self::Truth => "1.3.6.1.4.1.1466.115.121.1.7",
            Self::Bytes | Self::Sid => "1.3.6.1.4.1.1466.115.121.1.40",
            Self::Time => "1.3.6.1.4.1.1466.115.121.1.24",
        }
    }
}

/// By its name, without regard to case, or its identifier.
pub fn attribute(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name) || known.oid == name)
}

const fn single(name: &'static str, oid: &'static str, syntax: Syntax) -> Attribute {
    Attribute {
        name,
        oid,
        syntax,
        single: true,
        on_request: false,
    }
}

const fn many(name: &'static str, oid: &'static str, syntax: Syntax) -> Attribute {
    Attribute {
        name,
        oid,
        syntax,
        single: false,
        on_request: false,
    }
}

const fn on_request(attribute: Attribute) -> Attribute {
    Attribute {
        on_request: true,
        ..attribute
    }
}

use Syntax::{Bytes, Exact, Large, Name, Number, Oid, Sid, Text, Time, Truth};

pub(super) static ATTRIBUTES: &[Attribute] = &[
    single("accountExpires", "1.2.840.113556.1.4.159", Large),
    single("adminCount", "1.2.840.113556.1.4.150", Number),
    single("adminDisplayName", "1.2.840.113556.1.2.194", Text),
    on_request(many("attributeTypes", "2.5.21.5", Text)),
    single("badPasswordTime", "1.2.840.113556.1.4.49", Large),
    single("badPwdCount", "1.2.840.113556.1.4.12", Number),
    on_request(many("canonicalName", "1.2.840.113556.1.4.916", Text)),
    single("cn", "2.5.4.3", Text),
    on_request(single("createTimeStamp", "2.5.18.1", Time)),
    single("dc", "0.9.2342.19200300.100.1.25", Text),
    single("defaultObjectCategory", "1.2.840.113556.1.4.783", Name),
    many("description", "2.5.4.13", Text),
    single("displayName", "1.2.840.113556.1.2.13", Text),
    single("distinguishedName", "2.5.4.49", Name),
    on_request(many("dITContentRules", "2.5.21.2", Text)),
    single("dNSHostName", "1.2.840.113556.1.4.619", Text),
    many("dnsRoot", "1.2.840.113556.1.4.28", Text),
    single("fSMORoleOwner", "1.2.840.113556.1.4.369", Name),
    single("givenName", "2.5.4.42", Text),
    single("governsID", "1.2.840.113556.1.2.22", Oid),
    single("groupType", "1.2.840.113556.1.4.750", Number),
    single("homeMDB", "1.2.840.113556.1.2.244", Name),
    single("instanceType", "1.2.840.113556.1.2.1", Number),
    single("isCriticalSystemObject", "1.2.840.113556.1.4.868", Truth),
    single("lastLogon", "1.2.840.113556.1.4.52", Large),
    single("lDAPDisplayName", "1.2.840.113556.1.2.460", Text),
    single("legacyExchangeDN", "1.2.840.113556.1.4.655", Text),
    single("lockoutDuration", "1.2.840.113556.1.4.60", Large),
    single("lockOutObservationWindow", "1.2.840.113556.1.4.61", Large),
    single("lockoutThreshold", "1.2.840.113556.1.4.73", Number),
    single("lockoutTime", "1.2.840.113556.1.4.662", Large),
    single("logonCount", "1.2.840.113556.1.4.169", Number),
    single("mail", "0.9.2342.19200300.100.1.3", Text),
    single("mailNickname", "1.2.840.113556.1.2.447", Text),
    many("member", "2.5.4.31", Name),
    many("memberOf", "1.2.840.113556.1.2.102", Name),
    on_request(single("modifyTimeStamp", "2.5.18.2", Time)),
    single("msDS-Behavior-Version", "1.2.840.113556.1.4.1459", Number),
    on_request(single(
        "msDS-PrincipalName",
        "1.2.840.113556.1.4.1865",
        Text,
    )),
    single(
        "msDS-SupportedEncryptionTypes",
        "1.2.840.113556.1.4.1963",
        Number,
    ),
    on_request(single(
        "msDS-User-Account-Control-Computed",
        "1.2.840.113556.1.4.1460",
        Number,
    )),
    single(
        "msExchHomeServerName",
        "1.2.840.113556.1.4.7000.102.47",
        Text,
    ),
    single(
        "msRTCSIP-PrimaryUserAddress",
        "1.2.840.113556.1.6.24.1.1",
        Text,
    ),
    single("msRTCSIP-UserEnabled", "1.2.840.113556.1.6.24.1.3", Truth),
    single("name", "1.2.840.113556.1.4.1", Text),
    single("nCName", "1.2.840.113556.1.2.16", Name),
    single("nETBIOSName", "1.2.840.113556.1.4.87", Text),
    single("objectCategory", "1.2.840.113556.1.4.782", Name),
    many("objectClass", "2.5.4.0", Oid),
    single("objectClassCategory", "1.2.840.113556.1.2.370", Number),
    on_request(many("objectClasses", "2.5.21.6", Text)),
    single("objectGUID", "1.2.840.113556.1.4.2", Bytes),
    single("objectSid", "1.2.840.113556.1.4.146", Sid),
    single("operatingSystem", "1.2.840.113556.1.4.363", Text),
    many("ou", "2.5.4.11", Text),
    single("primaryGroupID", "1.2.840.113556.1.4.98", Number),
    many("proxyAddresses", "1.2.840.113556.1.2.210", Text),
    single("pwdLastSet", "1.2.840.113556.1.4.96", Large),
    single("sAMAccountName", "1.2.840.113556.1.4.221", Text),
    single("sAMAccountType", "1.2.840.113556.1.4.302", Number),
    single("schemaIDGUID", "1.2.840.113556.1.4.148", Bytes),
    single("serverReference", "1.2.840.113556.1.4.515", Name),
    many("servicePrincipalName", "1.2.840.113556.1.4.771", Text),
    single("showInAdvancedViewOnly", "1.2.840.113556.1.2.169", Truth),
    single("sn", "2.5.4.4", Text),
    on_request(single("structuralObjectClass", "2.5.21.9", Oid)),
    single("subClassOf", "1.2.840.113556.1.2.21", Oid),
    on_request(single("subSchemaSubEntry", "2.5.18.10", Name)),
    single("systemFlags", "1.2.840.113556.1.4.375", Number),
    on_request(many("tokenGroups", "1.2.840.113556.1.4.1301", Sid)),
    many("uPNSuffixes", "1.2.840.113556.1.4.890", Text),
    single("userAccountControl", "1.2.840.113556.1.4.8", Number),
    single("userPrincipalName", "1.2.840.113556.1.4.656", Text),
    single("uSNChanged", "1.2.840.113556.1.2.120", Large),
    single("uSNCreated", "1.2.840.113556.1.2.19", Large),
    many("wellKnownObjects", "1.2.840.113556.1.4.618", Exact),
    single("whenChanged", "1.2.840.113556.1.2.3", Time),
    single("whenCreated", "1.2.840.113556.1.2.2", Time),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_identifiers_are_found_and_stand_once() {
        let oids: BTreeSet<&str> = ATTRIBUTES.iter().map(|known| known.oid).collect();
        assert_eq!(oids.len(), ATTRIBUTES.len());
        for known in ATTRIBUTES {
            assert_eq!(
                attribute(known.oid).map(|found| found.name),
                Some(known.name)
            );
            let shouted = known.name.to_uppercase();
            assert_eq!(attribute(&shouted).map(|found| found.oid), Some(known.oid));
        }
    }
}
