//! The lab file as a whole.

use super::acl::Rule;
use super::balancer::Balancer;
use super::certificates::Certificates;
use super::directory::Directory;
use super::dns::Dns;
use super::node::Node;
use super::record::record;
use super::segment::{Pool, Segment};
use super::{Many, Map, Spanned};

/// The newest version of the format this engine reads.
pub const VERSION: u64 = 1;

record! {
    /// A network lab: segments, nodes, and what runs on them.
    File, "a lab file" {
        /// Version of the format; 1 unless given.
        version: Option<Spanned<u64>>,
        /// The lab's name: a DNS label of at most 32 characters.
        lab: Option<Spanned<String>>,
        /// One line about the lab.
        title: Option<String>,
        /// Commands worth trying, shown once the lab is up.
        hints as "try": Many<String>,
        /// Further files with the same keys, relative to this one.
        include: Many<Spanned<String>>,
        /// Domain of the nodes, unless they have one of their own.
        domain: Option<Spanned<String>>,
        /// Name servers of the nodes, unless they have their own: nodes or addresses.
        resolvers: Many<Spanned<String>>,
        /// Broadcast domains, by name.
        segments: Map<Segment>,
        /// Prefixes that a node hands out, by name.
        pools: Map<Pool>,
        /// Hosts and routers, by name.
        nodes: Map<Node>,
        /// Access control lists, by name; the first rule that matches decides.
        acls: Map<Vec<Rule>>,
        /// Views and zones.
        dns: Option<Dns>,
        /// VIPs and what stands behind them, by name.
        balancers: Map<Balancer>,
        /// Accounts.
        directory: Option<Directory>,
        /// What is written into every certificate.
        certificates: Option<Certificates>,
    }
}
