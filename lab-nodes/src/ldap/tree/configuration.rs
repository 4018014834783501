//! Partitions, sites and the schema.

use super::contents::SITE;
use super::domain::LEVEL;
use super::entry::guid;
use super::{Contents, Entry};
use crate::ldap::name::Name;
use crate::ldap::schema::{self, CLASSES, Kind};

/// The entries of both partitions, parents first.
pub(super) fn entries(contents: &Contents) -> Vec<Entry> {
    let schema = contents.schema();
    let configuration = contents.configuration();
    let new = |name: Name, class: &str| Entry::new(name, class, &schema);
    let partitions = configuration.child("CN", "Partitions");
    let sites = configuration.child("CN", "Sites");
    let site = sites.child("CN", SITE);
    let servers = site.child("CN", "Servers");
    let owner = contents.service().to_string();
    let controller = contents.base().child("OU", "Domain Controllers").child(
        "CN",
        &super::contents::host_of(&contents.controller).to_uppercase(),
    );
    let mut entries = vec![
        new(configuration.clone(), "configuration"),
        new(partitions.clone(), "crossRefContainer")
            .with("fSMORoleOwner", [owner.as_str()])
            .with("msDS-Behavior-Version", [LEVEL.to_string()]),
    ];
    let dns = contents.domain.dns_name();
    for (cn, partition) in [
        (contents.domain.netbios.as_str(), contents.base()),
        ("Enterprise Configuration", configuration.clone()),
        ("Enterprise Schema", schema.clone()),
    ] {
        let mut entry = new(partitions.child("CN", cn), "crossRef")
            .with("nCName", [partition.to_string()])
            .with("dnsRoot", [dns.as_str()]);
        let is_domain = partition == contents.base();
        // FLAG_CR_NTDS_NC, FLAG_CR_NTDS_DOMAIN ([MS-ADTS] §2.2.10).
        entry.put_number("systemFlags", if is_domain { 3 } else { 1 });
        if is_domain {
            entry.put("nETBIOSName", [contents.domain.netbios.as_str()]);
            entry.put_number("msDS-Behavior-Version", LEVEL);
        }
        entries.push(entry);
    }
    entries.extend([
        new(sites, "sitesContainer"),
        new(site, "site"),
        new(servers, "serversContainer"),
        new(contents.server(), "server")
            .with("dNSHostName", [contents.controller.as_str()])
            .with("serverReference", [controller.to_string()]),
        new(contents.service(), "nTDSDSA").with("msDS-Behavior-Version", [LEVEL.to_string()]),
        new(schema.clone(), "dMD").with("fSMORoleOwner", [owner.as_str()]),
        new(schema.child("CN", "Aggregate"), "subSchema")
            .with("attributeTypes", schema::attribute_types())
            .with("objectClasses", schema::object_classes()),
    ]);
    for class in CLASSES {
        let category = schema.child("CN", class.category).to_string();
        let kind = match class.kind {
            Kind::Structural => "1",
            Kind::Abstract => "2",
            Kind::Auxiliary => "3",
        };
        entries.push(
            new(schema.child("CN", class.cn), "classSchema")
                .with("lDAPDisplayName", [class.name])
                .with("adminDisplayName", [class.cn])
                .with("governsID", [class.oid])
                .with("subClassOf", [class.parent])
                .with("objectClassCategory", [kind])
                .with("defaultObjectCategory", [category])
                .with("schemaIDGUID", [guid(class.oid)]),
        );
    }
    entries
}
