//! What a service that has the cache adds to its set-up.

use lab_core::check::{Lab, Node};
use lab_core::plan::{Listen, Peer, Transport};

/// Name of the listener, in [`lab_core::service::Setup::listens`].
pub const LISTENER: &str = "cache";
/// Name of the other members, in [`lab_core::service::Setup::peers`].
pub const PEERS: &str = "cache";
/// The port: that of the distributed cache of SharePoint 2013 (AppFabric's cache port).
pub const PORT: u16 = 22233;

/// The cache's part of a set-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Where it listens.
    pub listen: Listen,
    /// The other members.
    pub peers: Vec<Peer>,
}

impl Part {
    /// Of a node: its group are the members.
    pub fn of(lab: &Lab, node: &Node) -> Self {
        let members = lab.groups.get(&node.group).into_iter().flatten();
        let others = members
            .filter(|member| **member != node.name)
            .filter_map(|member| lab.nodes.get(member));
        let peer = |other: &Node| {
            let address = other.attachments.first()?.addresses.first()?.addr();
            Some(Peer {
                node: other.name.clone(),
                fqdn: other.fqdn.clone(),
                address,
            })
        };
        Self {
            listen: Listen {
                name: LISTENER.to_owned(),
                protocol: Transport::Tcp,
                address: None,
                port: PORT,
            },
            peers: others.filter_map(peer).collect(),
        }
    }
}
