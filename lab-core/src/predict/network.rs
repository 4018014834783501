//! Who is where in a plan, and how a node routes.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::nearest::Called;
use crate::check::Lab;
use crate::plan::{LinkPlan, NodePlan, Plan, RoutePlan, Rule};

/// A lab with its plan, and an index of who has which address.
#[derive(Debug)]
pub struct Model<'l> {
    /// The lab: names, notes, balancers.
    pub lab: &'l Lab,
    /// Its plan: links, routes and rules as they are written down. Faults in it count.
    pub plan: &'l Plan,
    holders: HashMap<IpAddr, &'l str>,
    labels: HashMap<IpAddr, String>,
}

/// Where a node sends what is for an address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Routed<'l> {
    /// It has the address.
    Here,
    /// Out by a link, to a next hop that stands on it: the address itself, or that of a route.
    Out {
        link: &'l LinkPlan,
        hop: IpAddr,
        /// The route taken; none where the address is on the link's own segment.
        route: Option<&'l RoutePlan>,
        /// The prefix that fits.
        prefix: IpNet,
    },
    /// No route leads there.
    Nowhere,
}

impl Called for Model<'_> {
    fn note(&self, node: &str, rule: &Rule) -> Option<String> {
        Model::note(self, node, rule)
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        Model::name_of(self, address)
    }

    fn segment_of(&self, net: &IpNet) -> Option<&str> {
        let pools = self.lab.address_pools.iter();
        let mut pools = pools.filter(|(_, pool)| pool.prefix == *net);
        self.plan
            .segment_of(net)
            .or_else(|| pools.next().map(|(name, _)| name.as_str()))
    }
}

impl<'l> Model<'l> {
    /// Looks at a lab and the plan made of it.
    pub fn new(lab: &'l Lab, plan: &'l Plan) -> Self {
        let mut holders = HashMap::new();
        for node in plan.nodes.values() {
            for address in node.links.iter().flat_map(|link| &link.addresses) {
                holders.entry(address.addr()).or_insert(node.name.as_str());
            }
        }
        let mut labels = HashMap::new();
        for balancer in lab.balancers.values() {
            for vip in &balancer.vips {
                labels.entry(*vip).or_insert_with(|| balancer.name.clone());
            }
        }
        for node in lab.nodes.values() {
            for (label, address) in &node.names {
                labels.insert(*address, format!("{}.{label}", node.name));
            }
        }
        Self {
            lab,
            plan,
            holders,
            labels,
        }
    }

    /// The node that has an address.
    pub fn holder(&self, address: IpAddr) -> Option<&'l str> {
        self.holders.get(&address).copied()
    }

    /// What people call an address: a node's label of it, a VIP, or the node.
    pub fn name_of(&self, address: IpAddr) -> Option<String> {
        let label = self.labels.get(&address).cloned();
        label.or_else(|| self.holder(address).map(str::to_owned))
    }

    /// What people wrote about a rule of a node's ACL: its mark is its number there, from 1.
    pub(super) fn note(&self, node: &str, rule: &Rule) -> Option<String> {
        let acl = self.lab.nodes.get(node)?.acl.as_ref()?;
        let number = usize::try_from(rule.mark?).ok()?.checked_sub(1)?;
        let written = acl.rules.get(number).unwrap_or(&acl.default);
        (written.id == rule.id).then(|| written.note.clone())?
    }

    /// How a node routes: its own addresses, then the longest prefix, segments before routes.
    pub(super) fn route(&self, node: &'l NodePlan, to: IpAddr) -> Routed<'l> {
        let addresses = || {
            node.links
                .iter()
                .flat_map(|link| link.addresses.iter().map(move |address| (link, address)))
        };
        if to.is_loopback() || addresses().any(|(_, own)| own.addr() == to) {
            return Routed::Here;
        }
        let connected = addresses()
            .filter(|(_, own)| own.contains(&to))
            .map(|(link, own)| (own.prefix_len(), 1, (link, to, None, own.trunc())));
        let routed = node
            .routes
            .iter()
            .filter(|route| route.to.contains(&to))
            .filter_map(|route| {
                let link = node
                    .links
                    .iter()
                    .find(|link| link.interface == route.interface)?;
                Some((
                    route.to.prefix_len(),
                    0,
                    (link, route.via, Some(route), route.to),
                ))
            });
        // Of equals the first: `max_by_key` would give the last.
        let best = connected.chain(routed).reduce(|best, next| {
            match (next.0, next.1) > (best.0, best.1) {
                true => next,
                false => best,
            }
        });
        match best {
            Some((_, _, (link, hop, route, prefix))) => Routed::Out {
                link,
                hop,
                route,
                prefix,
            },
            None => Routed::Nowhere,
        }
    }

    /// The address that a node puts into what it sends by a link to a next hop: the first in the hop's
    /// prefix, else the first of the family (inet_select_addr of Linux).
    pub(super) fn address_on(link: &LinkPlan, hop: IpAddr) -> Option<IpAddr> {
        let of_family = || {
            let addresses = link.addresses.iter();
            addresses.filter(move |address| address.addr().is_ipv4() == hop.is_ipv4())
        };
        of_family()
            .find(|address| address.contains(&hop))
            .or_else(|| of_family().next())
            .map(IpNet::addr)
    }

    /// Who answers for an address on a segment, and by which link: whoever has it on any leg
    /// (`arp_ignore` is 0), if node and leg are alive.
    pub(super) fn neighbour(
        &self,
        from: &LinkPlan,
        address: IpAddr,
    ) -> Option<(&'l NodePlan, &'l LinkPlan)> {
        let node = self.plan.nodes.get(self.holder(address)?)?;
        let link = node
            .links
            .iter()
            .find(|link| link.segment == from.segment && link.up)?;
        let there = address.is_ipv4() || link.addresses.iter().any(|own| own.addr() == address);
        (node.running && from.up && there).then_some((node, link))
    }

    /// Whether a node passes on what is not for it.
    pub(super) fn forwards(node: &NodePlan, to: IpAddr) -> bool {
        let setting = match to {
            IpAddr::V4(_) => "net/ipv4/ip_forward",
            IpAddr::V6(_) => "net/ipv6/conf/all/forwarding",
        };
        node.sysctls.get(setting).is_some_and(|value| value == "1")
    }
}
