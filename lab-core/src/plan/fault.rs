//! A fault is a plan with something broken in it: breaking and mending are diffs like all others.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Plan, ProcessKind};

/// Something broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A node's leg on a segment loses its carrier.
    Link {
        /// Node.
        node: String,
        /// Segment.
        segment: String,
    },
    /// A node is switched off.
    Kill {
        /// Node.
        node: String,
    },
    /// A process of a node is stopped (all of them where none is named).
    Stop {
        /// Node.
        node: String,
        /// Process.
        process: Option<String>,
    },
    /// All certificates of a node are revoked.
    Revoke {
        /// Node.
        node: String,
    },
    /// A member gets no new work from any balancer.
    Drain {
        /// Member (a node).
        node: String,
    },
}

/// A plan with things broken in it.
pub fn with_faults(base: &Plan, faults: &BTreeSet<Fault>) -> Plan {
    let mut plan = base.clone();
    for fault in faults {
        match fault {
            Fault::Link { node, segment } => {
                if let Some(node) = plan.nodes.get_mut(node) {
                    node.links
                        .iter_mut()
                        .filter(|link| link.segment == *segment)
                        .for_each(|link| link.up = false);
                }
            }
            Fault::Kill { node } => {
                if let Some(node) = plan.nodes.get_mut(node) {
                    node.running = false;
                }
            }
            Fault::Stop { node, process } => {
                if let Some(node) = plan.nodes.get_mut(node) {
                    node.processes
                        .iter_mut()
                        .filter(|known| process.as_ref().is_none_or(|name| known.name == *name))
                        .for_each(|known| known.running = false);
                }
            }
            Fault::Revoke { node } => {
                if let Some(node) = plan.nodes.get_mut(node) {
                    let own = node.certificates.iter().map(|one| &one.id);
                    let of_users = node.user_certificates.iter().map(|one| &one.id);
                    node.revoked = own.chain(of_users).cloned().collect();
                }
            }
            Fault::Drain { node } => drain(&mut plan, node),
        }
    }
    plan
}

/// A service whose settings have a list `drained` is told there who gets no new work.
fn drain(plan: &mut Plan, member: &str) {
    for process in plan
        .nodes
        .values_mut()
        .flat_map(|node| node.processes.iter_mut())
    {
        if let ProcessKind::Service { settings, .. } = &mut process.kind
            && let Some(serde_json::Value::Array(drained)) = settings.get_mut("drained")
        {
            drained.push(member.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_what_is_not_there_changes_nothing() {
        let faults = [Fault::Kill {
            node: "nobody".into(),
        }];
        let plan = Plan::default();
        assert_eq!(with_faults(&plan, &BTreeSet::from(faults)), plan);
    }
}
