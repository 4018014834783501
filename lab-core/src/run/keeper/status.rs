//! State of the lab, for `lab status`.

use std::collections::BTreeMap;

use super::Keeper;
use crate::kernel::{conntrack, nft};
use crate::plan::{Hook, NodePlan, ProcessKind, ProcessPlan};
use crate::run::control::{Count, NodeStatus, ProcessState, ProcessStatus, Status};

impl Keeper {
    /// The state of everything now.
    pub(super) async fn status(&self) -> Status {
        let plan = self.current.borrow().clone();
        let mut rules = BTreeMap::new();
        for (name, node) in &plan.nodes {
            if let Some(counts) = self.acl_counts(name, node).await {
                rules.insert(name.clone(), counts);
            }
        }
        Status {
            lab: plan.lab.clone(),
            title: plan.title.clone(),
            since: self.since,
            faults: self.faults.borrow().iter().cloned().collect(),
            clock: self.authority.clock_trouble(),
            full_of_connections: plan
                .nodes
                .keys()
                .filter_map(|name| Some((name.clone(), self.full_of_connections(name)?)))
                .collect(),
            nodes: plan
                .nodes
                .iter()
                .map(|(name, node)| (name.clone(), self.node_status(node)))
                .collect(),
            pools: self.pools.borrow().clone(),
            rules,
        }
    }

    /// Packets by rule id of a node that filters what it forwards.
    async fn acl_counts(&self, name: &str, plan: &NodePlan) -> Option<BTreeMap<String, Count>> {
        plan.rules
            .chains
            .iter()
            .find(|chain| chain.hook == Some(Hook::Forward))?;
        let node = self.node(name)?;
        match nft::counters(node.network.namespace()).await {
            Ok(counts) => Some(counts),
            Err(error) => {
                tracing::warn!("the counters of {name} can't be read: {error}");
                None
            }
        }
    }

    /// How many connections a node tracks, where nine tenths of its room are taken.
    fn full_of_connections(&self, name: &str) -> Option<u64> {
        // Of a kernel that tracks none there is nothing to tell.
        let (tracked, most) = conntrack::usage(self.node(name)?.network.namespace()).ok()?;
        (tracked >= most / 10 * 9).then_some(tracked)
    }

    fn node_status(&self, plan: &NodePlan) -> NodeStatus {
        let node = self.node(&plan.name);
        let process_status = |process: &ProcessPlan| {
            let known = node
                .as_ref()
                .and_then(|node| node.processes.borrow().get(&process.name).cloned());
            let what = match &process.kind {
                ProcessKind::Service { service, .. } => service.clone(),
                ProcessKind::Program { argv, .. } => argv.join(" "),
            };
            match known {
                Some(known) => ProcessStatus {
                    what,
                    state: known.state(),
                    restarts: known.restarts.get(),
                    trouble: known.trouble(),
                    again_in: known.again_in(),
                },
                None => ProcessStatus {
                    what,
                    state: ProcessState::Stopped,
                    restarts: 0,
                    trouble: None,
                    again_in: None,
                },
            }
        };
        NodeStatus {
            fqdn: plan.fqdn.clone(),
            addresses: plan
                .links
                .iter()
                .map(|link| {
                    let addresses = link.addresses.iter().map(|net| net.addr().to_string());
                    (link.segment.clone(), addresses.collect())
                })
                .collect(),
            running: node.is_some(),
            restarts: self
                .restarts
                .borrow()
                .get(&plan.name)
                .copied()
                .unwrap_or_default(),
            processes: plan
                .processes
                .iter()
                .map(|process| (process.name.clone(), process_status(process)))
                .collect(),
        }
    }
}
