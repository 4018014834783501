use lab_core::check::{BalancerMode, Lab, Node};
use lab_core::plan::Peer;
use lab_core::service::Setup;
use serde::{Deserialize, Serialize};

use crate::directory::{Domain, Membership};

use super::Methods;

/// Name of the domain controllers among the peers of a service.
pub const CONTROLLERS: &str = "domain-controllers";

/// What a service's settings carry for its [`super::Guard`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Login {
    /// What it offers.
    pub methods: Methods,
    /// The domain, and the accounts that the node's services run under.
    pub membership: Membership,
    /// Clients come to it themselves: no proxy ends their TLS.
    pub direct: bool,
}

impl Login {
    /// Of the services of a node. None: the lab has no directory or no domain controller, which is a
    /// mistake in the options of a service that needs one.
    pub fn of(lab: &Lab, node: &Node, methods: Methods) -> Option<Self> {
        Some(Self {
            methods,
            membership: Membership::of(lab, node)?,
            direct: !is_published(lab, node),
        })
    }

    /// Adds what the guard will find in its context: the secrets of the accounts, and the domain
    /// controllers.
    pub fn add_to(&self, lab: &Lab, setup: &mut Setup) {
        for secret in self.membership.secrets() {
            if !setup.secrets.contains(&secret) {
                setup.secrets.push(secret);
            }
        }
        let controllers = Domain::controllers(lab).filter_map(|node| {
            let address = node.attachments.first()?.addresses.first()?.addr();
            Some(Peer {
                node: node.name.clone(),
                fqdn: node.fqdn.clone(),
                address,
            })
        });
        setup
            .peers
            .insert(CONTROLLERS.to_owned(), controllers.collect());
    }
}

/// Whether a proxy ends TLS before this node.
fn is_published(lab: &Lab, node: &Node) -> bool {
    lab.balancers.values().any(|balancer| match &balancer.mode {
        BalancerMode::Layer7 { sites, .. } => sites
            .iter()
            .flat_map(|site| &site.pool.members)
            .any(|member| member.name == node.name),
        BalancerMode::Layer4 { .. } => false,
    })
}
