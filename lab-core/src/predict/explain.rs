//! One question answered in full: the look-up, the way to each address, and where a proxy ends a
//! connection those that it makes onward.

use std::net::IpAddr;

use serde::Serialize;

use super::kind::{Destination, Kind};
use super::names::Lookup;
use super::network::Model;
use super::way::{End, Onward, Packet, Then, Way};
use crate::check::{Balancer, BalancerMode, Site};
use crate::model::nearest;
use crate::plan::NodePlan;

/// Most proxies one behind the other.
const MOST_PROXIES: usize = 8;

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The node that asks.
    pub from: String,
    /// What it asks for, as it was written.
    pub to: String,
    /// Protocol and port.
    pub kind: Kind,
    /// How the name became addresses; none for an address.
    pub lookup: Option<Lookup>,
    /// No name server knows the host, but the lab file does: a node, a label of one, or a VIP.
    pub word_of_the_file: bool,
    /// One for each address.
    pub ways: Vec<Aim>,
    /// Something answers at one of the addresses and, where a proxy does, something behind it.
    pub reachable: bool,
}

/// An address and the way to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Aim {
    /// The address.
    pub address: IpAddr,
    /// What people call it.
    pub name: Option<String>,
    /// The way.
    pub way: Way,
}

/// Why a question can't be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// There is no such node.
    #[error("the lab has no node `{name}`")]
    NoNode {
        /// What was written.
        name: String,
        /// The node that may have been meant.
        near: Option<String>,
    },
    /// The node is switched off.
    #[error("{name} is switched off")]
    Off {
        /// The node.
        name: String,
    },
}

/// Says what would become of a connection from a node.
///
/// # Errors
/// There is no such node, or it is switched off.
pub fn explain(model: &Model<'_>, from: &str, to: &Destination) -> Result<Explanation, Unasked> {
    let node = model.asking(from)?;
    let mut explanation = Explanation {
        from: from.to_owned(),
        to: to.to_string(),
        kind: to.kind,
        lookup: None,
        word_of_the_file: false,
        ways: Vec::new(),
        reachable: false,
    };
    let addresses = match to.host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => {
            let lookup = model.look_up(node, &to.host);
            let mut addresses = lookup.addresses.clone();
            if addresses.is_empty() {
                addresses = word_of_the_file(model, &to.host);
                explanation.word_of_the_file = !addresses.is_empty();
            }
            explanation.lookup = Some(lookup);
            addresses
        }
    };
    for address in addresses {
        let mut way = model.way(node, address, to.kind);
        // What is asked for by address, or by a word that is no host name, names its site later.
        let host = (explanation.lookup.is_some() && !explanation.word_of_the_file)
            .then_some(to.host.as_str());
        go_on(model, &mut way, host, MOST_PROXIES);
        explanation.ways.push(Aim {
            address,
            name: model.name_of(address),
            way,
        });
    }
    explanation.reachable = explanation.ways.iter().any(|aim| aim.way.may_succeed());
    Ok(explanation)
}

impl<'l> Model<'l> {
    /// A node that can ask.
    ///
    /// # Errors
    /// There is none of that name, or it is switched off.
    pub fn asking(&self, name: &str) -> Result<&'l NodePlan, Unasked> {
        let Some(node) = self.plan.nodes.get(name) else {
            let known = self.plan.nodes.keys().map(String::as_str);
            return Err(Unasked::NoNode {
                name: name.to_owned(),
                near: nearest(name, known).map(str::to_owned),
            });
        };
        match node.running {
            true => Ok(node),
            false => Err(Unasked::Off {
                name: name.to_owned(),
            }),
        }
    }
}

/// What the lab file itself calls so: a node, a VIP, or a label of a node's address.
fn word_of_the_file(model: &Model<'_>, word: &str) -> Vec<IpAddr> {
    if let Some(balancer) = model.lab.balancers.get(word) {
        return balancer.vips.clone();
    }
    if let Some(node) = model.lab.nodes.get(word) {
        let first = node
            .attachments
            .iter()
            .flat_map(|leg| &leg.addresses)
            .next();
        return first.map(ipnet::IpNet::addr).into_iter().collect();
    }
    let label = word
        .split_once('.')
        .and_then(|(node, label)| model.lab.nodes.get(node)?.names.get(label));
    label.copied().into_iter().collect()
}

/// Adds the connections that proxies make where the way ends at one.
fn go_on(model: &Model<'_>, way: &mut Way, host: Option<&str>, left: usize) {
    let Some(last) = way.hops.last() else { return };
    match &mut way.then {
        Then::Choice { branches, .. } => {
            for branch in branches {
                go_on(model, &mut branch.way, host, left);
            }
        }
        Then::End {
            end: End::Listens { .. },
            onward,
            unpublished,
            ..
        } if left > 0 => {
            let Packet {
                destination, kind, ..
            } = last.packet;
            for (vip, sites) in sites(model, &last.node, destination, kind) {
                let asked = |site: &&&Site| host.is_none_or(|host| is_of(site, host));
                let wanted: Vec<_> = sites.iter().filter(asked).collect();
                if wanted.is_empty() {
                    *unpublished = Some(vip.name.clone());
                }
                for site in wanted {
                    onward.extend(connections(model, vip, site));
                }
            }
            for onward in onward {
                go_on(model, &mut onward.way, host, left - 1);
            }
        }
        Then::End { .. } => {}
    }
}

fn is_of(site: &Site, host: &str) -> bool {
    let mut hosts = site.hosts.iter();
    hosts.any(|known| known.eq_ignore_ascii_case(host))
}

/// The proxies of a node that answer at an address and port, with their sites there.
fn sites<'l>(
    model: &Model<'l>,
    node: &str,
    address: IpAddr,
    kind: Kind,
) -> Vec<(&'l Balancer, Vec<&'l Site>)> {
    let balancers = model.lab.balancers.values();
    balancers
        .filter(|balancer| balancer.node == node && balancer.vips.contains(&address))
        .filter_map(|balancer| {
            let BalancerMode::Layer7 { port, sites, .. } = &balancer.mode else {
                return None;
            };
            let on_port =
                |site: &&Site| kind == Kind::Tcp(*port) || site.plain.map(Kind::Tcp) == Some(kind);
            let sites: Vec<&Site> = sites.iter().filter(on_port).collect();
            (!sites.is_empty()).then_some((balancer, sites))
        })
        .collect()
}

fn connections(model: &Model<'_>, balancer: &Balancer, site: &Site) -> Vec<Onward> {
    let Some(proxy) = model.plan.nodes.get(&balancer.node) else {
        return Vec::new();
    };
    let members = site.pool.members.iter();
    members
        .map(|member| {
            let kind = Kind::Tcp(member.port);
            Onward {
                vip: balancer.name.clone(),
                hosts: site.hosts.clone(),
                member: member.name.clone(),
                address: member.address,
                kind,
                way: model.way(proxy, member.address, kind),
            }
        })
        .collect()
}
