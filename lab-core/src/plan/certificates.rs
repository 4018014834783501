//! Certificates of a node: its own, and those that its services ask for.

use super::CertificatePlan;
use crate::check::Node;
use crate::service::Setup;

/// The node's own first, with all its names and addresses.
pub(super) fn of<'a>(node: &Node, setups: impl Iterator<Item = &'a Setup>) -> Vec<CertificatePlan> {
    let mut names = vec![node.fqdn.clone()];
    for name in std::iter::once(&node.name).chain(&node.aliases) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let own = CertificatePlan {
        id: "node".into(),
        subject: node.fqdn.clone(),
        names,
        addresses: node
            .attachments
            .iter()
            .flat_map(|leg| &leg.addresses)
            .map(ipnet::IpNet::addr)
            .collect(),
    };
    let mut certificates = vec![own];
    for asked in setups.flat_map(|setup| &setup.certificates) {
        if certificates.iter().all(|known| known.id != asked.id) {
            certificates.push(asked.clone());
        }
    }
    certificates
}
