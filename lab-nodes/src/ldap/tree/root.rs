//! The root entry, which says what the server can do ([MS-ADTS] §3.1.1.3.2).

use super::contents::host_of;
use super::domain::LEVEL;
use super::{Contents, Entry};
use crate::ldap::name::Name;

/// What a server can do.
#[derive(Clone, Debug, Default)]
pub struct Abilities {
    /// Controls.
    pub controls: Vec<&'static str>,
    /// Extended operations.
    pub extensions: Vec<&'static str>,
    /// Mechanisms of SASL.
    pub mechanisms: Vec<&'static str>,
}

/// LDAP_CAP_ACTIVE_DIRECTORY_OID, _V51, _V60, _V61_R2, _W8 and _LDAP_INTEG ([MS-ADTS]
/// §3.1.1.3.4.3).
const CAPABILITIES: [&str; 6] = [
    "1.2.840.113556.1.4.800",
    "1.2.840.113556.1.4.1670",
    "1.2.840.113556.1.4.1791",
    "1.2.840.113556.1.4.1935",
    "1.2.840.113556.1.4.2080",
    "1.2.840.113556.1.4.2237",
];

/// The root entry; `now` is the time in its form (`20130101000000.0Z`).
pub fn root(contents: &Contents, abilities: &Abilities, now: &str) -> Entry {
    let (base, configuration) = (contents.base().to_string(), contents.configuration());
    let schema = contents.schema();
    let host = host_of(&contents.controller);
    let realm = contents.domain.realm.to_uppercase();
    let mut root = Entry::bare(Name::default());
    root.put("currentTime", [now]);
    root.put(
        "subschemaSubentry",
        [schema.child("CN", "Aggregate").to_string()],
    );
    root.put("dsServiceName", [contents.service().to_string()]);
    root.put(
        "namingContexts",
        [base.clone(), configuration.to_string(), schema.to_string()],
    );
    root.put("defaultNamingContext", [base.as_str()]);
    root.put("schemaNamingContext", [schema.to_string()]);
    root.put("configurationNamingContext", [configuration.to_string()]);
    root.put("rootDomainNamingContext", [base]);
    root.put("supportedControl", abilities.controls.iter().copied());
    root.put("supportedLDAPVersion", ["3"]);
    root.put(
        "supportedSASLMechanisms",
        abilities.mechanisms.iter().copied(),
    );
    root.put("supportedExtension", abilities.extensions.iter().copied());
    root.put("supportedCapabilities", CAPABILITIES);
    root.put("highestCommittedUSN", ["8192"]);
    root.put("dnsHostName", [contents.controller.as_str()]);
    let service = format!("{}:{host}$@{realm}", contents.domain.dns_name());
    root.put("ldapServiceName", [service]);
    root.put("serverName", [contents.server().to_string()]);
    root.put("isSynchronized", ["TRUE"]);
    root.put("isGlobalCatalogReady", ["FALSE"]);
    for name in [
        "domainFunctionality",
        "forestFunctionality",
        "domainControllerFunctionality",
    ] {
        root.put_number(name, LEVEL);
    }
    root
}
