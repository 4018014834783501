//! Address translation: masquerading, port forwarding, and layer-4 VIPs, which translate destination
//! and source: without the latter, replies would miss the balancer.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{ports_of, traffic};
use crate::check::{Balancer, BalancerMode, Lab, Nat, Node, Pool, Spread, Traffic};
use crate::model::Place;
use crate::plan::{Action, Chain, Hook, Match, Rule, Target};

pub(super) fn chains(lab: &Lab, node: &Node) -> Vec<Chain> {
    let mut before = Vec::new();
    let mut from_here = Vec::new();
    let mut after = Vec::new();
    let mut chains = Vec::new();
    for balancer in lab
        .balancers
        .values()
        .filter(|balancer| balancer.node == node.name)
    {
        if let BalancerMode::Layer4 { ports, pool } = &balancer.mode {
            chains.push(spread(balancer, pool));
            let arrivals = arrivals(balancer, ports);
            before.extend(arrivals.clone());
            from_here.extend(arrivals);
            after.extend(sources(balancer, pool));
        }
    }
    for nat in &node.nat {
        match nat {
            Nat::Masquerade {
                from,
                outbound,
                place,
            } => {
                let froms = if from.is_empty() {
                    vec![None]
                } else {
                    from.iter().copied().map(Some).collect()
                };
                after.extend(froms.into_iter().map(|from| {
                    let matches = [
                        Some(Match::Outbound(outbound.clone())),
                        from.map(Match::Source),
                    ];
                    rule(
                        "masquerade".into(),
                        place,
                        matches.into_iter().flatten().collect(),
                        Action::Masquerade,
                    )
                }));
            }
            Nat::Forward {
                inbound,
                traffic: kind,
                to,
                port,
                place,
            } => {
                before.extend(forwarded(node, inbound, kind, *to, *port, place));
            }
        }
    }
    chains.push(Chain {
        name: "prerouting".into(),
        hook: Some(Hook::Prerouting),
        rules: before,
    });
    chains.push(Chain {
        name: "output".into(),
        hook: Some(Hook::Output),
        rules: from_here,
    });
    chains.push(Chain {
        name: "postrouting".into(),
        hook: Some(Hook::Postrouting),
        rules: after,
    });
    chains
}

fn rule(id: String, place: &Place, matches: Vec<Match>, action: Action) -> Rule {
    Rule {
        id,
        place: (place.line > 0).then(|| place.to_string()),
        matches,
        mark: None,
        action,
    }
}

/// Chain and rule id of a VIP.
fn chain_of(balancer: &Balancer) -> String {
    format!("vip-{}", balancer.name)
}

fn id_of(balancer: &Balancer) -> String {
    format!("vip {}", balancer.name)
}

fn spread(balancer: &Balancer, pool: &Pool) -> Chain {
    let targets: Vec<Target> = pool
        .members
        .iter()
        .map(|member| Target {
            address: member.address,
            port: None,
        })
        .collect();
    let random = pool.spread == Spread::Random;
    let rules = if targets.is_empty() {
        Vec::new()
    } else {
        vec![rule(
            id_of(balancer),
            &balancer.place,
            Vec::new(),
            Action::Dnat { targets, random },
        )]
    };
    Chain {
        name: chain_of(balancer),
        hook: None,
        rules,
    }
}

fn arrivals(balancer: &Balancer, ports: &[Traffic]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for vip in &balancer.vips {
        for kind in ports {
            let matches = vec![Match::Destination(host(*vip)), traffic(kind)];
            rules.push(rule(
                id_of(balancer),
                &balancer.place,
                matches,
                Action::Jump(chain_of(balancer)),
            ));
        }
    }
    rules
}

fn sources(balancer: &Balancer, pool: &Pool) -> Vec<Rule> {
    pool.members
        .iter()
        .map(|member| {
            let matches = vec![Match::Translated, Match::Destination(host(member.address))];
            rule(
                id_of(balancer),
                &balancer.place,
                matches,
                Action::Masquerade,
            )
        })
        .collect()
}

fn forwarded(
    node: &Node,
    inbound: &str,
    kind: &Traffic,
    to: IpAddr,
    port: Option<u16>,
    place: &Place,
) -> Vec<Rule> {
    let own = node
        .attachments
        .iter()
        .filter(|leg| leg.segment == inbound)
        .flat_map(|leg| &leg.addresses);
    own.filter(|address| address.addr().is_ipv4() == to.is_ipv4())
        .map(|address| {
            let ports = match kind {
                Traffic::Tcp(ports) => Match::Tcp(ports_of(ports)),
                Traffic::Udp(ports) => Match::Udp(ports_of(ports)),
                other => traffic(other),
            };
            let matches = vec![
                Match::Inbound(inbound.to_owned()),
                Match::Destination(host(address.addr())),
                ports,
            ];
            let targets = vec![Target { address: to, port }];
            rule(
                "forward".into(),
                place,
                matches,
                Action::Dnat {
                    targets,
                    random: false,
                },
            )
        })
        .collect()
}

fn host(address: IpAddr) -> IpNet {
    IpNet::from(address)
}
