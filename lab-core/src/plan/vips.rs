//! VIPs as people see them.

use std::collections::BTreeMap;

use super::VipPlan;
use super::rules_of::ports_of;
use crate::check::{BalancerMode, Lab, Pool, Traffic};

/// By name.
pub(super) fn of(lab: &Lab) -> BTreeMap<String, VipPlan> {
    lab.balancers
        .values()
        .map(|balancer| {
            let names = |pool: &Pool| {
                pool.members
                    .iter()
                    .map(|member| member.name.clone())
                    .collect::<Vec<_>>()
            };
            let (layer, ports, mut members, hosts) = match &balancer.mode {
                BalancerMode::Layer4 { ports, pool } => {
                    (4, ports.iter().map(word).collect(), names(pool), Vec::new())
                }
                BalancerMode::Layer7 { port, sites, .. } => (
                    7,
                    vec![format!("tcp/{port}")],
                    sites.iter().flat_map(|site| names(&site.pool)).collect(),
                    sites.iter().flat_map(|site| site.hosts.clone()).collect(),
                ),
            };
            let mut seen = std::collections::BTreeSet::new();
            members.retain(|member| seen.insert(member.clone()));
            let plan = VipPlan {
                node: balancer.node.clone(),
                addresses: balancer.vips.clone(),
                layer,
                ports,
                members,
                hosts,
            };
            (balancer.name.clone(), plan)
        })
        .collect()
}

/// Traffic as people write it.
fn word(traffic: &Traffic) -> String {
    let range = |protocol: &str, ports: &std::ops::RangeInclusive<u16>| {
        let ports = ports_of(ports);
        if ports.first == ports.last {
            format!("{protocol}/{}", ports.first)
        } else {
            format!("{protocol}/{}-{}", ports.first, ports.last)
        }
    };
    match traffic {
        Traffic::Tcp(ports) => range("tcp", ports),
        Traffic::Udp(ports) => range("udp", ports),
        Traffic::Icmp => "icmp".into(),
        Traffic::IcmpErrors => "icmp-errors".into(),
        Traffic::Protocol(number) => format!("ip/{number}"),
    }
}
