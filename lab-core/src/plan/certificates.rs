//! Certificates of a node: its own, those that its services ask for, and those of the lab file.

use std::collections::BTreeSet;

use super::{CertificatePlan, UserCertificatePlan};
use crate::check::{Certified, Lab, Node};
use crate::service::Setup;

/// The node's own first, with all its names and addresses. One of the lab file takes the place of
/// one that a service asks for under the same name.
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
    for written in &node.certificates {
        if let Certified::Names(names) = &written.certified {
            certificates.push(CertificatePlan {
                id: written.id.clone(),
                subject: names.first().cloned().unwrap_or_default(),
                names: names.clone(),
                addresses: Vec::new(),
            });
        }
    }
    for asked in setups.flat_map(|setup| &setup.certificates) {
        if certificates.iter().all(|known| known.id != asked.id) {
            certificates.push(asked.clone());
        }
    }
    certificates
}

/// Those of users.
pub(super) fn of_users(lab: &Lab, node: &Node) -> Vec<UserCertificatePlan> {
    let Some(directory) = &lab.directory else {
        return Vec::new();
    };
    let certificates = node.certificates.iter().filter_map(|written| {
        let Certified::User(account) = &written.certified else {
            return None;
        };
        let user = directory.users.get(account)?;
        Some(UserCertificatePlan {
            id: written.id.clone(),
            subject: user.name.clone(),
            principal: format!("{account}@{}", directory.realm.to_ascii_lowercase()),
            mail: user.mail.clone(),
        })
    });
    certificates.collect()
}

/// Those that the lab file revokes.
pub(super) fn revoked(node: &Node) -> BTreeSet<String> {
    let revoked = node.certificates.iter().filter(|one| one.revoked);
    revoked.map(|one| one.id.clone()).collect()
}
