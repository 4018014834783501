//! The domain and its members.

use std::collections::BTreeMap;

use lab_core::check::{Lab, Node};
use serde::{Deserialize, Serialize};

/// The domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// NetBIOS name (`CONTOSO`).
    pub netbios: String,
    /// Kerberos realm (`CORP.CONTOSO.COM`).
    pub realm: String,
}

/// What a server of the domain knows: the domain, and the accounts that it runs under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The domain.
    pub domain: Domain,
    /// Fully qualified names of its domain controllers.
    pub controllers: Vec<String>,
    /// Its service accounts, with their service principal names.
    pub accounts: BTreeMap<String, Vec<String>>,
}

impl Domain {
    /// The service of domain controllers in lab files.
    pub const CONTROLLER: &str = "domain-controller";

    /// The lab's, if it has a directory.
    pub fn of(lab: &Lab) -> Option<Self> {
        let directory = lab.directory.as_ref()?;
        Some(Self {
            netbios: directory.domain.clone(),
            realm: directory.realm.clone(),
        })
    }

    /// Its DNS name: the realm in small letters.
    pub fn dns_name(&self) -> String {
        self.realm.to_ascii_lowercase()
    }

    /// Name of the secret that a service account's long-term keys are made of, shared by the
    /// domain controllers and the nodes that run under it.
    pub fn secret_of(account: &str) -> String {
        format!("account {account}")
    }

    /// The nodes that are its domain controllers.
    pub fn controllers(lab: &Lab) -> impl Iterator<Item = &Node> {
        lab.nodes.values().filter(|node| {
            let mut services = node.services.iter();
            services.any(|used| used.service == Self::CONTROLLER)
        })
    }
}

impl Membership {
    /// Of a node; none in a lab without a directory or without a domain controller.
    pub fn of(lab: &Lab, node: &Node) -> Option<Self> {
        let directory = lab.directory.as_ref()?;
        let controllers: Vec<_> = Domain::controllers(lab)
            .map(|node| node.fqdn.clone())
            .collect();
        if controllers.is_empty() {
            return None;
        }
        let own = directory.services.iter();
        let own = own.filter(|(_, account)| account.nodes.contains(&node.name));
        Some(Self {
            domain: Domain::of(lab)?,
            controllers,
            accounts: own
                .map(|(name, account)| (name.clone(), account.principals.clone()))
                .collect(),
        })
    }

    /// The secrets that [`lab_core::service::Setup::secrets`] asks for.
    pub fn secrets(&self) -> Vec<String> {
        self.accounts
            .keys()
            .map(|account| Domain::secret_of(account))
            .collect()
    }
}
