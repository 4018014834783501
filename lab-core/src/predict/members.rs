//! A layer-4 VIP: which members may be chosen.

use super::kind::Kind;
use super::network::Model;
use super::walk::{Making, Standing};
use super::way::{Branch, Hop, Outcome, Step, Then, Way};
use crate::check::{Balancer, BalancerMode};
use crate::plan::{NodePlan, Target};

/// How a VIP spreads connections.
pub(super) struct Spread<'l, 'r> {
    pub vip: &'l Balancer,
    pub random: bool,
    pub rule: &'r str,
    pub place: Option<&'r String>,
}

impl<'l> Model<'l> {
    /// The VIP that a rule of a node belongs to.
    pub(super) fn vip(&self, node: &NodePlan, rule: &str) -> Option<&'l Balancer> {
        let balancer = self.lab.balancers.get(rule.strip_prefix("vip ")?)?;
        (balancer.node == node.name).then_some(balancer)
    }

    /// Sends it to one of the members that are well; without any the node itself is asked.
    pub(super) fn choose(
        &self,
        at: Standing<'l>,
        targets: &[Target],
        spread: &Spread<'l, '_>,
        mut making: Making,
    ) -> Way {
        let (well, out): (Vec<&Target>, Vec<&Target>) = targets
            .iter()
            .partition(|target| self.is_well(spread.vip, target));
        let name = |target: &&Target| {
            self.name_of(target.address)
                .unwrap_or_else(|| target.address.to_string())
        };
        let out: Vec<String> = out.iter().map(name).collect();
        if well.is_empty() {
            making.step(Step::NoMember {
                vip: spread.vip.name.clone(),
                out,
            });
            return self.send(at, making);
        }
        let branches = well
            .into_iter()
            .map(|target| {
                let hop = Hop {
                    node: at.node.name.clone(),
                    inbound: at.inbound.map(str::to_owned),
                    packet: at.packet,
                    steps: Vec::new(),
                };
                let branch = Making {
                    hops: vec![hop],
                    trail: making.trail.clone(),
                };
                Branch {
                    member: name(&target),
                    address: target.address,
                    way: self.translate(at, target, spread.rule, spread.place, branch),
                }
            })
            .collect();
        Way {
            hops: making.hops,
            then: Then::Choice {
                vip: spread.vip.name.clone(),
                random: spread.random,
                place: spread.place.cloned(),
                branches,
                out,
            },
        }
    }

    /// Whether a member answers the health check of its VIP, as far as the plan knows: somebody listens
    /// on the port asked. Without the service that asks, all members stay.
    fn is_well(&self, vip: &Balancer, target: &Target) -> bool {
        let BalancerMode::Layer4 { pool, .. } = &vip.mode else {
            return true;
        };
        let Some(node) = self.plan.nodes.get(&vip.node) else {
            return true;
        };
        if !node.processes.iter().any(|process| process.running) {
            return true;
        }
        let asked = self.way(node, target.address, Kind::Tcp(pool.health.port));
        let outcomes = asked.outcomes();
        outcomes.contains(&Outcome::Open) || outcomes.contains(&Outcome::Reached)
    }
}
