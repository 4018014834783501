//! Operations of a diff, carried out.

use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::mpsc::UnboundedSender;

use super::Keeper;
use super::node::{Node, comes_back};
use super::supervisor::Command;
use crate::kernel::{nft, sysctl};
use crate::plan::{Action, NodePlan, Operation, Ruleset, after_links};
use crate::run::control::{Progress, Refusal};
use crate::run::messages::ToNode;
use crate::run::stages::Stage;
use crate::service::Issued;

/// How long after a failed operation its node may turn out to be dead.
const DYING: Duration = Duration::from_secs(1);

impl Keeper {
    /// Carries out operations in their order; nodes that start one after the other start together.
    pub(super) async fn execute(
        self: &Rc<Self>,
        operations: &[Operation],
        progress: &UnboundedSender<Progress>,
    ) -> Result<(), Refusal> {
        let count = |kind: fn(&Operation) -> usize| operations.iter().map(kind).sum();
        let _ = progress.send(Progress::Total {
            nodes: count(|operation| usize::from(matches!(operation, Operation::StartNode { .. }))),
            processes: count(|operation| match operation {
                Operation::StartNode { plan } => plan
                    .processes
                    .iter()
                    .filter(|process| process.running)
                    .count(),
                Operation::StartProcess { .. } => 1,
                _ => 0,
            }),
        });
        let together = |a: &Operation, b: &Operation| {
            matches!(
                (a, b),
                (Operation::StartNode { .. }, Operation::StartNode { .. })
            )
        };
        for group in operations.chunk_by(together) {
            // All of them to their end, also when one fails: a node that was left half-born would
            // belong to nobody.
            let done = group
                .iter()
                .map(|operation| self.carry_out(operation, progress));
            join_all(done)
                .await
                .into_iter()
                .collect::<Result<(), _>>()?;
            // Only when all have their wires: who asks for a neighbour that has none yet asks
            // again after a second.
            for operation in group {
                if let Operation::StartNode { plan } = operation {
                    self.start_processes(plan);
                }
            }
            if matches!(group, [Operation::StartNode { .. }, ..]) {
                self.tell_authorities();
            }
        }
        Ok(())
    }

    /// What the certificate authority issued, as the plan in force revokes it.
    pub(super) fn issued(&self) -> Vec<Issued> {
        let current = self.current.borrow();
        self.authority.issued(|node, certificate| {
            let plan = current.nodes.get(node);
            plan.is_some_and(|plan| plan.revoked.contains(certificate))
        })
    }

    /// Tells what was issued and revoked to the services that speak for the certificate authority.
    fn tell_authorities(&self) {
        let nodes = self.nodes.borrow();
        for node in nodes.values().filter(|node| node.plan.authority) {
            for process in node.processes.borrow().values() {
                process.command(Command::Issued);
            }
        }
    }

    /// Takes back a change that failed on its way: what it had not come to needs no way back, so
    /// an operation that finds nothing to do is no reason to stop.
    pub(super) async fn take_back(
        self: &Rc<Self>,
        operations: &[Operation],
        progress: &UnboundedSender<Progress>,
    ) {
        for operation in operations {
            if let Err(refusal) = self.carry_out(operation, progress).await {
                tracing::warn!("taking back: {refusal}");
            }
        }
    }

    /// Carries out one operation. One that changes a node which is just dead is done: the node
    /// comes back as the plan in force says, and that is the new one already.
    async fn carry_out(
        self: &Rc<Self>,
        operation: &Operation,
        progress: &UnboundedSender<Progress>,
    ) -> Result<(), Refusal> {
        let done = self.try_to_carry_out(operation, progress).await;
        match (&done, operation.running_node()) {
            (Err(refusal), Some(node)) if self.is_coming_back(node).await => {
                tracing::info!("{node} died while it was changed: {refusal}");
                Ok(())
            }
            _ => done,
        }
    }

    /// Whether a node is dead and shall run. The kernel may tell of its links before it tells of its
    /// process.
    async fn is_coming_back(&self, name: &str) -> bool {
        if let Some(node) = self.node(name) {
            return node.dies_within(DYING).await && comes_back(&node.plan);
        }
        let plan = self.current.borrow();
        plan.nodes
            .get(name)
            .is_some_and(|plan| plan.running && comes_back(plan))
    }

    async fn try_to_carry_out(
        self: &Rc<Self>,
        operation: &Operation,
        progress: &UnboundedSender<Progress>,
    ) -> Result<(), Refusal> {
        match operation {
            Operation::AddSegment { segment, plan } => self
                .fabric
                .add_bridge(&plan.bridge, plan.mtu)
                .await
                .map_err(|error| kernel(&format!("making the segment {segment}"), &error)),
            Operation::RemoveSegment { segment, bridge } => self
                .fabric
                .delete_link(bridge)
                .await
                .map_err(|error| kernel(&format!("removing the segment {segment}"), &error)),
            Operation::ChangeSegment { segment, from, to } if from.mtu != to.mtu => self
                .fabric
                .set_mtu(&to.bridge, to.mtu)
                .await
                .map_err(|error| kernel(&format!("changing the segment {segment}"), &error)),
            Operation::ChangeSegment { .. } => Ok(()),
            Operation::StartNode { plan } => {
                self.wire_node(plan).await?;
                let _ = progress.send(Progress::Node {
                    node: plan.name.clone(),
                });
                Ok(())
            }
            Operation::StopNode { node } => {
                self.stop_node(node).await;
                Ok(())
            }
            Operation::AddLink { node, link } => {
                let handle = self.find_node(node)?;
                let bridge = self.bridge(&link.segment);
                self.fabric
                    .connect(&handle.network, &bridge, link)
                    .await
                    .map_err(|error| {
                        kernel(&format!("connecting {node} to {}", link.segment), &error)
                    })
            }
            Operation::RemoveLink { node, link } => self
                .fabric
                .delete_link(&link.port)
                .await
                .map_err(|error| kernel(&format!("taking {node} off {}", link.segment), &error)),
            Operation::ChangeLink { node, from, to } => {
                let handle = self.find_node(node)?;
                self.fabric
                    .change_link(&handle.network, from, to)
                    .await
                    .map_err(|error| kernel(&format!("changing {node} on {}", to.segment), &error))
            }
            Operation::ChangeRoutes { node, remove, add } => self
                .find_node(node)?
                .network
                .change_routes(remove, add)
                .await
                .map_err(|error| kernel(&format!("changing the routes of {node}"), &error)),
            Operation::SetRules { node, rules } => {
                self.set_rules(&*self.find_node(node)?, rules).await
            }
            Operation::SetSysctls { node, sysctls } => {
                let handle = self.find_node(node)?;
                sysctl::write(handle.network.namespace(), sysctls)
                    .map_err(|error| kernel(&format!("setting up {node}"), &error))
            }
            Operation::SetFiles {
                node,
                files,
                remove,
            } => {
                let message = ToNode::Files {
                    files: files.clone(),
                    remove: remove.clone(),
                };
                self.find_node(node)?.send(&message, &[]).await
            }
            Operation::StartProcess { node, process } => {
                let handle = self.find_node(node)?;
                // There already: a change that is taken back had not come to end it.
                let known = handle.processes.borrow().contains_key(&process.name);
                if !known {
                    self.start_process(&handle, process);
                }
                Ok(())
            }
            Operation::StopProcess { node, process } => {
                self.find_node(node)?.stop_process(process).await;
                Ok(())
            }
            Operation::SetRevoked { .. } => {
                self.tell_authorities();
                Ok(())
            }
            Operation::Reconfigure { node, process } => {
                self.find_node(node)?.reconfigure(process);
                Ok(())
            }
        }
    }

    /// Starts a node with all it has.
    pub(super) async fn start_node(self: &Rc<Self>, plan: &NodePlan) -> Result<(), Refusal> {
        self.wire_node(plan).await?;
        self.start_processes(plan);
        Ok(())
    }

    /// Starts what shall run in a node that stands; a node that died meanwhile gets it when it is
    /// started again.
    fn start_processes(self: &Rc<Self>, plan: &NodePlan) {
        if let Some(node) = self.node(&plan.name) {
            for process in plan.processes.iter().filter(|process| process.running) {
                // There already: a change that is taken back had not come to end it.
                let known = node.processes.borrow().contains_key(&process.name);
                if !known {
                    self.start_process(&node, process);
                }
            }
            self.births.send_modify(|count| *count += 1);
        }
    }

    /// Starts a node with its links, routes and rules.
    async fn wire_node(self: &Rc<Self>, plan: &NodePlan) -> Result<(), Refusal> {
        // There already: a change that is taken back had not come to end it.
        if !plan.running || self.node(&plan.name).is_some() {
            return Ok(());
        }
        let node = Node::be_born(self, plan).await?;
        let set_up = async {
            let roots = self.stages.lap(Stage::Roots);
            node.until_prepared().await?;
            drop(roots);
            let wiring = self.stages.lap(Stage::Links);
            let links = plan
                .links
                .iter()
                .map(|link| (self.bridge(&link.segment), link));
            self.fabric
                .connect_node(&node.network, &links.collect::<Vec<_>>(), &plan.routes)
                .await
                .map_err(|error| kernel(&format!("connecting {}", plan.name), &error))?;
            drop(wiring);
            if !plan.rules.chains.is_empty() {
                let _lap = self.stages.lap(Stage::Rules);
                self.set_rules(&node, &plan.rules).await?;
            }
            node.set_sysctls(self.next_id(), after_links(&plan.sysctls))
                .await
        };
        if let Err(refusal) = set_up.await {
            node.end();
            self.disconnect(plan).await;
            return Err(refusal);
        }
        self.nodes
            .borrow_mut()
            .insert(plan.name.clone(), Rc::clone(&node));
        node.watch(self);
        Ok(())
    }

    /// Ends a node: its process, its links.
    pub(super) async fn stop_node(self: &Rc<Self>, name: &str) {
        let node = self.nodes.borrow_mut().remove(name);
        if let Some(node) = node {
            let plan = node.plan.clone();
            node.end();
            self.disconnect(&plan).await;
        }
        self.members
            .borrow_mut()
            .retain(|(node, _), _| node != name);
    }

    /// Removes what a dead node left in the fabric.
    pub(super) async fn disconnect(&self, plan: &NodePlan) {
        self.groups.forget(&plan.name);
        for link in &plan.links {
            // With its namespace gone, the kernel may have been faster.
            let _ = self.fabric.delete_link(&link.port).await;
        }
    }

    fn bridge(&self, segment: &str) -> String {
        self.current
            .borrow()
            .segments
            .get(segment)
            .map_or_else(|| segment.to_owned(), |plan| plan.bridge.clone())
    }

    /// Writes a node's rules, with the members that its balancer chose.
    pub(super) async fn set_rules(&self, node: &Node, rules: &Ruleset) -> Result<(), Refusal> {
        if rules.chains.is_empty() && !node.has_rules.replace(!rules.chains.is_empty()) {
            return Ok(());
        }
        node.has_rules.set(!rules.chains.is_empty());
        let mut rules = rules.clone();
        for chain in &mut rules.chains {
            let key = (
                node.plan.name.clone(),
                chain.name.trim_start_matches("vip-").to_owned(),
            );
            if let Some(members) = self.members.borrow().get(&key) {
                spread(chain, members);
            }
        }
        nft::apply(node.network.namespace(), &rules)
            .await
            .map_err(|error| kernel(&format!("writing the rules of {}", node.plan.name), &error))
    }
}

/// Lets a VIP's chain spread over these members only; none: connections are refused.
pub(super) fn spread(chain: &mut crate::plan::Chain, members: &[std::net::IpAddr]) {
    for rule in &mut chain.rules {
        if let Action::Dnat { targets, .. } = &mut rule.action {
            targets.retain(|target| members.contains(&target.address));
            if targets.is_empty() {
                rule.action = Action::Reject;
            }
        }
    }
}

/// What the kernel refused.
fn kernel(what: &str, error: &std::io::Error) -> Refusal {
    Refusal {
        message: format!("{what}: {error}"),
        help: Some("`lab doctor` tries what a lab needs of this host".into()),
        code: 3,
    }
}
