//! What a mutation is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{acl, dns, member, nat};
use crate::check::{AclRule, BalancerMode, Lab, Member, Nat, NodeName, Record};
use crate::coverage::Subject;

/// A change of one thing of a lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// What it is called, unique in its lab: `acl/gateway/P7@214/remove`.
    pub id: String,
    /// What it changes.
    pub family: Family,
    /// How.
    pub how: How,
    /// A sentence without its full stop.
    pub said: String,
    /// `file:line` of what it changes.
    pub place: String,
    /// Scenarios that exercised one of these may notice; the others hardly.
    pub subjects: Vec<Subject>,
    /// Why it changes nothing, where that is plain from the lab alone.
    pub equal: Option<String>,
    /// The change.
    pub edit: Edit,
}

/// What a mutation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A rule of an ACL.
    Acl,
    /// Address translation of a router.
    Nat,
    /// Members of a pool.
    Member,
    /// A DNS record.
    Dns,
}

/// How a mutation changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It is gone.
    Remove,
    /// It concerns more.
    Widen,
    /// It concerns less.
    Narrow,
    /// It comes last.
    Reorder,
}

/// A change: what stands in the lab instead.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// The rules of an ACL, at all nodes that use it.
    Acl {
        /// The ACL.
        name: String,
        /// Its rules.
        rules: Vec<AclRule>,
        /// Its last one.
        default: Box<AclRule>,
    },
    /// The translations of a node.
    Nat {
        /// The node.
        node: NodeName,
        /// All of them.
        nat: Vec<Nat>,
    },
    /// The members of a pool.
    Pool {
        /// The balancer.
        balancer: String,
        /// The number of its pool, from 0.
        pool: usize,
        /// All of them.
        members: Vec<Member>,
    },
    /// The records of a zone.
    Zone {
        /// The number of the zone, from 0.
        zone: usize,
        /// All of them.
        records: Vec<Record>,
    },
}

/// All mutations of a lab. The same lab has the same ones, in the same order.
pub fn mutations(lab: &Lab) -> Vec<Mutation> {
    let mut all = acl::all(lab);
    all.extend(nat::all(lab));
    all.extend(member::all(lab));
    all.extend(dns::all(lab));
    // Ids are made of what stands in the file: two that are alike get a number.
    let mut known = BTreeSet::new();
    for mutation in &mut all {
        let id = mutation.id.clone();
        let mut number = 1;
        while !known.insert(mutation.id.clone()) {
            number += 1;
            mutation.id = format!("{id}#{number}");
        }
    }
    all
}

impl Mutation {
    /// The lab with the change.
    pub fn apply(&self, lab: &Lab) -> Lab {
        let mut lab = lab.clone();
        match &self.edit {
            Edit::Acl {
                name,
                rules,
                default,
            } => {
                let acls = lab.nodes.values_mut().filter_map(|node| node.acl.as_mut());
                for acl in acls.filter(|acl| acl.name == *name) {
                    acl.rules.clone_from(rules);
                    acl.default = (**default).clone();
                }
            }
            Edit::Nat { node, nat } => {
                if let Some(node) = lab.nodes.get_mut(node) {
                    node.nat.clone_from(nat);
                }
            }
            Edit::Pool {
                balancer,
                pool,
                members,
            } => {
                let balancer = lab.balancers.get_mut(balancer);
                let pool = match balancer.map(|balancer| &mut balancer.mode) {
                    Some(BalancerMode::Layer4 { pool, .. }) => Some(pool),
                    Some(BalancerMode::Layer7 { sites, .. }) => {
                        sites.get_mut(*pool).map(|site| &mut site.pool)
                    }
                    None => None,
                };
                if let Some(pool) = pool {
                    pool.members.clone_from(members);
                }
            }
            Edit::Zone { zone, records } => {
                if let Some(zone) = lab.zones.get_mut(*zone) {
                    zone.records.clone_from(records);
                }
            }
        }
        lab
    }
}

impl Family {
    /// As in `--only`, and at the beginning of ids.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Nat => "nat",
            Self::Member => "member",
            Self::Dns => "dns",
        }
    }
}

/// Every address of a lab's nodes.
pub(super) fn addresses(lab: &Lab) -> BTreeSet<IpAddr> {
    let legs = lab.nodes.values().flat_map(|node| &node.attachments);
    legs.flat_map(|leg| &leg.addresses)
        .map(IpNet::addr)
        .collect()
}

/// Lists of prefixes with less in them: each without one of its prefixes; of one prefix alone the half
/// that does not hold its first node. With each, what is missing.
pub(super) fn narrower(list: &[IpNet], addresses: &BTreeSet<IpAddr>) -> Vec<(Vec<IpNet>, String)> {
    if let [only] = list {
        let Some(first) = addresses.iter().find(|address| only.contains(*address)) else {
            return Vec::new();
        };
        let halves = only.subnets(only.prefix_len() + 1);
        let kept = halves.ok().into_iter().flatten();
        let kept: Vec<IpNet> = kept.filter(|half| !half.contains(first)).collect();
        return match kept.is_empty() {
            true => Vec::new(),
            false => vec![(kept, format!("the half of {only} that holds {first}"))],
        };
    }
    let without = |at: usize| {
        let rest = list.iter().enumerate().filter(|(other, _)| *other != at);
        rest.map(|(_, prefix)| *prefix).collect()
    };
    let each = list.iter().enumerate();
    each.map(|(at, prefix)| (without(at), prefix.to_string()))
        .collect()
}
