//! What a tree is made of.

use lab_core::check::Lab;

use super::super::name::Name;
use crate::directory::{Account, Domain, Kind, Person, State};

/// What a tree is made of.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The domain.
    pub domain: Domain,
    /// Fully qualified name of the domain controller.
    pub controller: String,
    /// Fully qualified names of the domain's other machines.
    pub computers: Vec<String>,
    /// People, and whether their accounts may be used.
    pub people: Vec<(Person, State)>,
    /// Accounts of services with their principal names.
    pub services: Vec<(Person, Vec<String>)>,
}

impl Contents {
    /// The tree of a domain with these accounts.
    pub fn new(
        domain: Domain,
        controller: String,
        computers: Vec<String>,
        accounts: &[Account],
    ) -> Self {
        let mut contents = Self {
            domain,
            controller,
            computers,
            ..Self::default()
        };
        for account in accounts {
            let person = account.person.clone();
            match &account.kind {
                Kind::User { .. } => contents.people.push((person, account.state)),
                Kind::Service { principals } => {
                    contents.services.push((person, principals.clone()));
                }
            }
        }
        contents
    }

    /// Fully qualified names of the nodes that the domain's DNS name covers, but this one.
    pub fn computers(lab: &Lab, controller: &str) -> Vec<String> {
        let Some(domain) = Domain::of(lab) else {
            return Vec::new();
        };
        let below = format!(".{}", domain.dns_name());
        let nodes = lab.nodes.values().map(|node| &node.fqdn);
        nodes
            .filter(|fqdn| fqdn.as_str() != controller && fqdn.to_lowercase().ends_with(&below))
            .cloned()
            .collect()
    }

    /// The name of the domain's entry.
    pub fn base(&self) -> Name {
        Name::of_domain(&self.domain.dns_name())
    }

    /// The name of the configuration partition.
    pub fn configuration(&self) -> Name {
        self.base().child("CN", "Configuration")
    }

    /// The name of the schema partition.
    pub fn schema(&self) -> Name {
        self.configuration().child("CN", "Schema")
    }

    /// The name of the domain controller among its site's servers.
    pub fn server(&self) -> Name {
        let site = self.configuration().child("CN", "Sites").child("CN", SITE);
        let host = host_of(&self.controller).to_uppercase();
        site.child("CN", "Servers").child("CN", &host)
    }

    /// The name of its directory service.
    pub fn service(&self) -> Name {
        self.server().child("CN", "NTDS Settings")
    }
}

/// The site that every new domain has.
pub(super) const SITE: &str = "Default-First-Site-Name";

/// The first label.
pub(super) fn host_of(fqdn: &str) -> &str {
    fqdn.split_once('.').map_or(fqdn, |(host, _)| host)
}
