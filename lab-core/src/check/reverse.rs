//! Reverse zones, derived for each view from its address records (RFC 1035 §3.5, RFC 3596 §2.5).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::lab::{Lab, Record, RecordData, View, Zone};
use super::records::DEFAULT_TTL;
use crate::model::file::File;

/// PTR records for every address that a zone of the view names: the first name wins, a
/// node's own name comes before others. IPv4 gets a zone for each /24, IPv6 for each /64.
pub(super) fn reverse(file: &File, views: &BTreeMap<String, View>, lab: &Lab) -> Vec<Zone> {
    let own: BTreeMap<IpAddr, &str> = lab
        .nodes
        .values()
        .flat_map(|node| super::names::addresses(node).map(|address| (address, &*node.fqdn)))
        .collect();
    let mut reverse = Vec::new();
    for (name, written) in file.dns.iter().flat_map(|dns| dns.views.iter()) {
        let Some(view) = views.get(&name.value) else {
            continue;
        };
        if written.reverse == Some(false) {
            continue;
        }
        let zones = || lab.zones.iter().filter(|zone| zone.view == view.name);
        let origins: BTreeSet<&str> = zones().map(|zone| zone.origin.as_str()).collect();
        let mut names: BTreeMap<IpAddr, &str> = BTreeMap::new();
        for record in zones().flat_map(|zone| &zone.records) {
            let RecordData::Address(address) = record.data else {
                continue;
            };
            if record.name.starts_with('*') {
                continue;
            }
            let preferred = own.get(&address) == Some(&record.name.as_str());
            if preferred || !names.contains_key(&address) {
                names.insert(address, &record.name);
            }
        }
        let mut by_origin: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for (address, target) in names {
            let (owner, origin) = pointer(address);
            // A reverse zone that the file writes itself is the file's.
            if is_below_any(&owner, &origins) {
                continue;
            }
            let data = RecordData::Ptr(target.to_owned());
            by_origin.entry(origin).or_default().push(Record {
                name: owner,
                ttl: DEFAULT_TTL,
                data,
            });
        }
        for (origin, mut records) in by_origin {
            if let Some(server) = lab.nodes.get(&view.server) {
                let data = RecordData::Ns(server.fqdn.clone());
                records.push(Record {
                    name: origin.clone(),
                    ttl: DEFAULT_TTL,
                    data,
                });
            }
            reverse.push(Zone {
                origin,
                view: view.name.clone(),
                records,
                place: view.place.clone(),
            });
        }
    }
    reverse
}

fn is_below_any(name: &str, origins: &BTreeSet<&str>) -> bool {
    origins
        .iter()
        .filter(|origin| !origin.is_empty())
        .any(|origin| {
            name.strip_suffix(origin)
                .is_some_and(|rest| rest.ends_with('.'))
        })
}

/// An address's reverse name, and the zone it is put in.
fn pointer(address: IpAddr) -> (String, String) {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            let origin = format!("{c}.{b}.{a}.in-addr.arpa");
            (format!("{d}.{origin}"), origin)
        }
        IpAddr::V6(v6) => {
            let nibbles: Vec<String> = v6
                .octets()
                .iter()
                .rev()
                .flat_map(|byte| [byte & 15, byte >> 4])
                .map(|nibble| format!("{nibble:x}"))
                .collect();
            let (host, network) = nibbles.split_at(16);
            let origin = format!("{}.ip6.arpa", network.join("."));
            (format!("{}.{origin}", host.join(".")), origin)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn reverse_names_are_those_of_the_standards() {
        let (owner, origin) = pointer("10.2.0.52".parse().expect("address"));
        assert_eq!(
            (&*owner, &*origin),
            ("52.0.2.10.in-addr.arpa", "0.2.10.in-addr.arpa")
        );
        // RFC 3596 §2.5.
        let (owner, _) = pointer("4321:0:1:2:3:4:567:89ab".parse().expect("address"));
        assert_eq!(
            owner,
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
    }
}
