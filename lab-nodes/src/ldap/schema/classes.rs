//! Classes.

/// A class.
#[derive(Debug)]
pub struct Class {
    /// Its name (lDAPDisplayName).
    pub name: &'static str,
    /// Its object identifier.
    pub oid: &'static str,
    /// The class above it.
    pub parent: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Common name of its entry in the schema.
    pub cn: &'static str,
    /// Common name of its objects' category.
    pub category: &'static str,
    /// Attributes that its objects must have, besides those of the class above.
    pub must: &'static [&'static str],
    /// Attributes that they may have.
    pub may: &'static [&'static str],
}

/// A kind of class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Objects have it.
    Structural,
    /// Other classes have it above them.
    Abstract,
    /// Objects have it besides a structural one.
    Auxiliary,
}

/// By its name, without regard to case, or its identifier.
pub fn class(name: &str) -> Option<&'static Class> {
    CLASSES
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name) || known.oid == name)
}

impl Class {
    /// It and all above it, `top` first, as `objectClass` lists them.
    pub fn line(&self) -> Vec<&'static str> {
        let mut line = vec![self.name];
        let mut above = self.parent;
        while let Some(next) = class(above).filter(|_| !line.contains(&above)) {
            line.push(next.name);
            above = next.parent;
        }
        line.reverse();
        line
    }
}

const fn structural(
    names: [&'static str; 4],
    parent: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
) -> Class {
    let [name, oid, cn, category] = names;
    Class {
        name,
        oid,
        parent,
        kind: Kind::Structural,
        cn,
        category,
        must,
        may,
    }
}

const fn of_kind(kind: Kind, class: Class) -> Class {
    Class { kind, ..class }
}

/// All classes.
pub static CLASSES: &[Class] = &[
    of_kind(
        Kind::Abstract,
        structural(
            ["top", "2.5.6.0", "Top", "Top"],
            "top",
            &["objectClass", "instanceType", "objectCategory"],
            &[
                "adminDisplayName",
                "canonicalName",
                "cn",
                "createTimeStamp",
                "description",
                "displayName",
                "distinguishedName",
                "isCriticalSystemObject",
                "memberOf",
                "modifyTimeStamp",
                "msDS-PrincipalName",
                "name",
                "objectGUID",
                "proxyAddresses",
                "showInAdvancedViewOnly",
                "structuralObjectClass",
                "subSchemaSubEntry",
                "systemFlags",
                "uSNChanged",
                "uSNCreated",
                "wellKnownObjects",
                "whenChanged",
                "whenCreated",
            ],
        ),
    ),
    of_kind(
        Kind::Auxiliary,
        structural(
            [
                "securityPrincipal",
                "1.2.840.113556.1.5.6",
                "Security-Principal",
                "Security-Principal",
            ],
            "top",
            &["objectSid", "sAMAccountName"],
            &["sAMAccountType", "tokenGroups"],
        ),
    ),
    of_kind(
        Kind::Auxiliary,
        structural(
            [
                "mailRecipient",
                "1.2.840.113556.1.3.46",
                "Mail-Recipient",
                "Mail-Recipient",
            ],
            "top",
            &["cn"],
            &[
                "homeMDB",
                "legacyExchangeDN",
                "mail",
                "mailNickname",
                "msExchHomeServerName",
            ],
        ),
    ),
    structural(
        ["person", "2.5.6.6", "Person", "Person"],
        "top",
        &["cn"],
        &["sn"],
    ),
    structural(
        [
            "organizationalPerson",
            "2.5.6.7",
            "Organizational-Person",
            "Person",
        ],
        "person",
        &[],
        &["givenName", "mail", "ou"],
    ),
    structural(
        ["user", "1.2.840.113556.1.5.9", "User", "Person"],
        "organizationalPerson",
        &[],
        &[
            "accountExpires",
            "adminCount",
            "badPasswordTime",
            "badPwdCount",
            "lastLogon",
            "lockoutTime",
            "logonCount",
            "msDS-SupportedEncryptionTypes",
            "msDS-User-Account-Control-Computed",
            "msRTCSIP-PrimaryUserAddress",
            "msRTCSIP-UserEnabled",
            "primaryGroupID",
            "pwdLastSet",
            "servicePrincipalName",
            "userAccountControl",
            "userPrincipalName",
        ],
    ),
    structural(
        ["computer", "1.2.840.113556.1.3.30", "Computer", "Computer"],
        "user",
        &[],
        &["dNSHostName", "operatingSystem"],
    ),
    structural(
        ["group", "1.2.840.113556.1.5.8", "Group", "Group"],
        "top",
        &["groupType"],
        &["adminCount", "mail", "member"],
    ),
    structural(
        [
            "container",
            "1.2.840.113556.1.3.23",
            "Container",
            "Container",
        ],
        "top",
        &["cn"],
        &[],
    ),
    structural(
        [
            "organizationalUnit",
            "2.5.6.5",
            "Organizational-Unit",
            "Organizational-Unit",
        ],
        "top",
        &["ou"],
        &[],
    ),
    of_kind(
        Kind::Abstract,
        structural(
            ["domain", "1.2.840.113556.1.5.66", "Domain", "Domain"],
            "top",
            &["dc"],
            &[],
        ),
    ),
    structural(
        [
            "domainDNS",
            "1.2.840.113556.1.5.67",
            "Domain-DNS",
            "Domain-DNS",
        ],
        "domain",
        &[],
        &[
            "fSMORoleOwner",
            "lockOutObservationWindow",
            "lockoutDuration",
            "lockoutThreshold",
            "msDS-Behavior-Version",
            "objectSid",
        ],
    ),
    structural(
        [
            "builtinDomain",
            "1.2.840.113556.1.5.4",
            "Builtin-Domain",
            "Builtin-Domain",
        ],
        "top",
        &[],
        &["objectSid"],
    ),
    structural(
        [
            "configuration",
            "1.2.840.113556.1.5.12",
            "Configuration",
            "Configuration",
        ],
        "top",
        &["cn"],
        &[],
    ),
    structural(
        ["dMD", "1.2.840.113556.1.3.9", "DMD", "DMD"],
        "top",
        &["cn"],
        &["fSMORoleOwner"],
    ),
    structural(
        ["subSchema", "2.5.20.1", "SubSchema", "SubSchema"],
        "top",
        &[],
        &["attributeTypes", "dITContentRules", "objectClasses"],
    ),
    structural(
        [
            "classSchema",
            "1.2.840.113556.1.3.13",
            "Class-Schema",
            "Class-Schema",
        ],
        "top",
        &[
            "cn",
            "defaultObjectCategory",
            "governsID",
            "objectClassCategory",
            "subClassOf",
        ],
        &["lDAPDisplayName", "schemaIDGUID"],
    ),
    structural(
        [
            "crossRefContainer",
            "1.2.840.113556.1.5.7000.53",
            "Cross-Ref-Container",
            "Cross-Ref-Container",
        ],
        "top",
        &["cn"],
        &["fSMORoleOwner", "msDS-Behavior-Version", "uPNSuffixes"],
    ),
    structural(
        [
            "crossRef",
            "1.2.840.113556.1.3.11",
            "Cross-Ref",
            "Cross-Ref",
        ],
        "top",
        &["cn", "dnsRoot", "nCName"],
        &["msDS-Behavior-Version", "nETBIOSName"],
    ),
    structural(
        [
            "sitesContainer",
            "1.2.840.113556.1.5.107",
            "Sites-Container",
            "Sites-Container",
        ],
        "top",
        &[],
        &[],
    ),
    structural(
        ["site", "1.2.840.113556.1.5.31", "Site", "Site"],
        "top",
        &[],
        &[],
    ),
    structural(
        [
            "serversContainer",
            "1.2.840.113556.1.5.7000.48",
            "Servers-Container",
            "Servers-Container",
        ],
        "top",
        &[],
        &[],
    ),
    structural(
        ["server", "1.2.840.113556.1.5.17", "Server", "Server"],
        "top",
        &[],
        &["dNSHostName", "serverReference"],
    ),
    structural(
        [
            "nTDSDSA",
            "1.2.840.113556.1.5.7000.47",
            "NTDS-DSA",
            "NTDS-DSA",
        ],
        "top",
        &[],
        &["msDS-Behavior-Version"],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::attribute;
    use super::*;

    #[test]
    fn classes_name_what_is_there() {
        let oids: BTreeSet<&str> = CLASSES.iter().map(|known| known.oid).collect();
        assert_eq!(oids.len(), CLASSES.len());
        for known in CLASSES {
            assert!(class(known.parent).is_some(), "{}", known.name);
            assert!(
                CLASSES.iter().any(|class| class.cn == known.category),
                "{}",
                known.name
            );
            for name in known.must.iter().chain(known.may) {
                let found = attribute(name).map(|found| found.name);
                assert_eq!(found, Some(*name), "{}", known.name);
            }
        }
    }

    #[test]
    fn a_computer_is_a_user() {
        let line = class("computer").expect("a class").line();
        assert_eq!(
            line,
            ["top", "person", "organizationalPerson", "user", "computer"]
        );
    }
}
