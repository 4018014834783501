//! What the addresses of a lab are called.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::plan::Plan;

/// Names of a lab: nodes, VIPs and what they publish, and segments.
#[derive(Clone, Debug, Default)]
pub struct Names {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    prefixes: BTreeMap<String, Vec<IpNet>>,
    /// The best name first.
    names: BTreeMap<IpAddr, Vec<String>>,
}

impl Names {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut names = Self::default();
        // A VIP stands on a node's leg, too: what is published there says more.
        for (name, vip) in &plan.vips {
            for address in &vip.addresses {
                names.add(name, *address);
                for host in &vip.hosts {
                    names.add(host, *address);
                }
            }
        }
        for (name, node) in &plan.nodes {
            for address in node.links.iter().flat_map(|link| &link.addresses) {
                names.add(name, address.addr());
                names.add(&node.fqdn, address.addr());
            }
        }
        for (name, segment) in &plan.segments {
            names
                .prefixes
                .insert(name.clone(), segment.prefixes.clone());
        }
        names
    }

    fn add(&mut self, name: &str, address: IpAddr) {
        let names = self.names.entry(address).or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
            let addresses = self.addresses.entry(name.to_owned()).or_default();
            addresses.push(address);
        }
    }

    /// The addresses of a node, a VIP or a host name.
    pub fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.addresses.get(name).map(Vec::as_slice)
    }

    /// The prefixes of a segment.
    pub fn prefixes(&self, segment: &str) -> Option<Vec<IpNet>> {
        self.prefixes.get(segment).cloned()
    }

    /// Addresses and what they are called, the best name first.
    pub fn by_address(&self) -> impl Iterator<Item = (IpAddr, &[String])> {
        let all = self.names.iter();
        all.map(|(address, names)| (*address, names.as_slice()))
    }

    /// What has addresses.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.addresses.keys().map(String::as_str)
    }

    /// Segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.prefixes.keys().map(String::as_str)
    }
}
