//! `diff(Plan, Plan) → Vec<Operation>`: the one way anything ever changes.
//! `up` is a diff from nothing, `down` a diff to nothing, `apply` a diff between files,
//! `fault` a diff to a plan with something broken.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    FilePlan, LinkPlan, NodePlan, Plan, ProcessKind, ProcessPlan, RoutePlan, Ruleset, SegmentPlan,
};

/// One change. What no operation names is not touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Makes a bridge.
    AddSegment {
        /// Segment.
        segment: String,
        /// What it shall be.
        plan: SegmentPlan,
    },
    /// Removes a bridge; its links are gone before.
    RemoveSegment {
        /// Segment.
        segment: String,
        /// Its bridge.
        bridge: String,
    },
    /// Changes a bridge in place.
    ChangeSegment {
        /// Segment.
        segment: String,
        /// As it was.
        from: SegmentPlan,
        /// As it shall be.
        to: SegmentPlan,
    },
    /// Makes a node with all its links, routes, rules and processes.
    StartNode {
        /// What it shall be.
        plan: Box<NodePlan>,
    },
    /// Ends a node and all that runs in it.
    StopNode {
        /// Node.
        node: String,
    },
    /// Makes one link of a node that runs.
    AddLink {
        /// Node.
        node: String,
        /// What it shall be.
        link: LinkPlan,
    },
    /// Removes one link.
    RemoveLink {
        /// Node.
        node: String,
        /// The link as it was.
        link: LinkPlan,
    },
    /// Changes a link in place: carrier, MTU, addresses, shaping.
    ChangeLink {
        /// Node.
        node: String,
        /// As it was.
        from: LinkPlan,
        /// As it shall be.
        to: LinkPlan,
    },
    /// Changes routes: those in `remove` go, those in `add` come.
    ChangeRoutes {
        /// Node.
        node: String,
        /// Routes to remove.
        remove: Vec<RoutePlan>,
        /// Routes to add.
        add: Vec<RoutePlan>,
    },
    /// Replaces a node's packet rules in one transaction; connections go on.
    SetRules {
        /// Node.
        node: String,
        /// New rules.
        rules: Ruleset,
    },
    /// Writes kernel settings.
    SetSysctls {
        /// Node.
        node: String,
        /// Path → value.
        sysctls: BTreeMap<String, String>,
    },
    /// Writes files.
    SetFiles {
        /// Node.
        node: String,
        /// Files that are new or changed.
        files: Vec<FilePlan>,
        /// Paths that go.
        remove: Vec<String>,
    },
    /// Starts a process.
    StartProcess {
        /// Node.
        node: String,
        /// What it shall be.
        process: Box<ProcessPlan>,
    },
    /// Ends a process.
    StopProcess {
        /// Node.
        node: String,
        /// Its name.
        process: String,
    },
    /// Revokes these certificates of a node, and no others of it.
    SetRevoked {
        /// Node.
        node: String,
        /// Ids of the certificates.
        certificates: BTreeSet<String>,
    },
    /// Tells a running service its new settings.
    Reconfigure {
        /// Node.
        node: String,
        /// The process as it shall be.
        process: Box<ProcessPlan>,
    },
}

impl Operation {
    /// The node that it changes while that runs; none where a node or a segment comes or goes.
    pub fn running_node(&self) -> Option<&str> {
        match self {
            Self::AddLink { node, .. }
            | Self::RemoveLink { node, .. }
            | Self::ChangeLink { node, .. }
            | Self::ChangeRoutes { node, .. }
            | Self::SetRules { node, .. }
            | Self::SetSysctls { node, .. }
            | Self::SetFiles { node, .. }
            | Self::StartProcess { node, .. }
            | Self::StopProcess { node, .. }
            | Self::Reconfigure { node, .. } => Some(node),
            Self::AddSegment { .. }
            | Self::RemoveSegment { .. }
            | Self::ChangeSegment { .. }
            | Self::StartNode { .. }
            | Self::StopNode { .. }
            | Self::SetRevoked { .. } => None,
        }
    }
}

/// The changes that lead from one plan to the other, in the order they must be made: what goes
/// first, then segments, then nodes, then changes in nodes that stay.
pub fn diff(from: &Plan, to: &Plan) -> Vec<Operation> {
    let mut changes = Changes::default();
    for (name, old) in &from.nodes {
        let new = to.nodes.get(name);
        if old.running && new.is_none_or(|new| !new.running || must_restart(old, new)) {
            changes
                .stops
                .push(Operation::StopNode { node: name.clone() });
        }
    }
    for (name, new) in to.nodes.iter().filter(|(_, node)| node.running) {
        match from.nodes.get(name) {
            Some(old) if old.running && !must_restart(old, new) => changes.in_place(old, new),
            _ => changes.starts.push(Operation::StartNode {
                plan: Box::new(new.clone()),
            }),
        }
    }
    let none = BTreeSet::new();
    for (name, new) in &to.nodes {
        // Also of a node that is switched off: its certificate may have been copied.
        let old = from.nodes.get(name).map_or(&none, |old| &old.revoked);
        if *old != new.revoked {
            changes.processes.push(Operation::SetRevoked {
                node: name.clone(),
                certificates: new.revoked.clone(),
            });
        }
    }
    for (name, old) in &from.segments {
        match to.segments.get(name) {
            Some(new) if new == old => {}
            Some(new) if new.bridge == old.bridge => {
                changes.segments.push(Operation::ChangeSegment {
                    segment: name.clone(),
                    from: old.clone(),
                    to: new.clone(),
                })
            }
            _ => changes.segments.push(Operation::RemoveSegment {
                segment: name.clone(),
                bridge: old.bridge.clone(),
            }),
        }
    }
    for (name, new) in &to.segments {
        if from
            .segments
            .get(name)
            .is_none_or(|old| old.bridge != new.bridge)
        {
            changes.segments.push(Operation::AddSegment {
                segment: name.clone(),
                plan: new.clone(),
            });
        }
    }
    changes.in_order()
}

/// Operations by the phase they belong to.
#[derive(Default)]
struct Changes {
    stops: Vec<Operation>,
    leaves: Vec<Operation>,
    segments: Vec<Operation>,
    starts: Vec<Operation>,
    network: Vec<Operation>,
    processes: Vec<Operation>,
}

impl Changes {
    fn in_order(self) -> Vec<Operation> {
        [
            self.stops,
            self.leaves,
            self.segments,
            self.starts,
            self.network,
            self.processes,
        ]
        .concat()
    }

    /// A node that stays: only what differs.
    fn in_place(&mut self, old: &NodePlan, new: &NodePlan) {
        self.links(old, new);
        self.routes(old, new);
        let node = || new.name.clone();
        let sysctls: BTreeMap<String, String> = new
            .sysctls
            .iter()
            .filter(|(path, value)| old.sysctls.get(*path) != Some(value))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect();
        if old.rules != new.rules {
            self.network.push(Operation::SetRules {
                node: node(),
                rules: new.rules.clone(),
            });
        }
        if !sysctls.is_empty() {
            self.network.push(Operation::SetSysctls {
                node: node(),
                sysctls,
            });
        }
        let files: Vec<FilePlan> = new
            .files
            .iter()
            .filter(|file| !old.files.contains(file))
            .cloned()
            .collect();
        let remove: Vec<String> = old
            .files
            .iter()
            .filter(|file| new.files.iter().all(|kept| kept.path != file.path))
            .map(|file| file.path.clone())
            .collect();
        if !files.is_empty() || !remove.is_empty() {
            self.network.push(Operation::SetFiles {
                node: node(),
                files,
                remove,
            });
        }
        self.processes(old, new);
    }

    fn links(&mut self, old: &NodePlan, new: &NodePlan) {
        let node = || new.name.clone();
        for link in &old.links {
            match new.links.iter().find(|kept| same_wire(kept, link)) {
                None => self.leaves.push(Operation::RemoveLink {
                    node: node(),
                    link: link.clone(),
                }),
                Some(kept) if kept != link => self.network.push(Operation::ChangeLink {
                    node: node(),
                    from: link.clone(),
                    to: kept.clone(),
                }),
                Some(_) => {}
            }
        }
        for link in new
            .links
            .iter()
            .filter(|link| old.links.iter().all(|had| !same_wire(had, link)))
        {
            self.network.push(Operation::AddLink {
                node: node(),
                link: link.clone(),
            });
        }
    }

    fn routes(&mut self, old: &NodePlan, new: &NodePlan) {
        // The kernel drops a link's routes with it.
        let gone = |interface: &str| {
            old.links.iter().any(|link| {
                link.interface == interface && new.links.iter().all(|kept| !same_wire(kept, link))
            })
        };
        let same = |a: &RoutePlan, b: &RoutePlan| {
            (a.to, a.via, &a.interface) == (b.to, b.via, &b.interface)
        };
        let lacks = |routes: &[RoutePlan], route: &RoutePlan| {
            routes.iter().all(|other| !same(other, route))
        };
        let remove: Vec<RoutePlan> = old
            .routes
            .iter()
            .filter(|route| lacks(&new.routes, route) && !gone(&route.interface))
            .cloned()
            .collect();
        let add: Vec<RoutePlan> = new
            .routes
            .iter()
            .filter(|route| lacks(&old.routes, route) || gone(&route.interface))
            .cloned()
            .collect();
        if !remove.is_empty() || !add.is_empty() {
            self.network.push(Operation::ChangeRoutes {
                node: new.name.clone(),
                remove,
                add,
            });
        }
    }

    fn processes(&mut self, old: &NodePlan, new: &NodePlan) {
        let node = || new.name.clone();
        for had in old.processes.iter().filter(|process| process.running) {
            let kept = new
                .processes
                .iter()
                .find(|process| process.name == had.name);
            if kept.is_none_or(|kept| !kept.running || !can_be_told(had, kept)) {
                self.leaves.push(Operation::StopProcess {
                    node: node(),
                    process: had.name.clone(),
                });
            }
        }
        for process in new.processes.iter().filter(|process| process.running) {
            let had = old
                .processes
                .iter()
                .find(|had| had.name == process.name && had.running);
            match had {
                Some(had) if had == process => {}
                Some(had) if can_be_told(had, process) => {
                    self.processes.push(Operation::Reconfigure {
                        node: node(),
                        process: Box::new(process.clone()),
                    })
                }
                _ => self.processes.push(Operation::StartProcess {
                    node: node(),
                    process: Box::new(process.clone()),
                }),
            }
        }
    }
}

/// What a node is born with and keeps for life.
fn must_restart(old: &NodePlan, new: &NodePlan) -> bool {
    old.fqdn != new.fqdn
        || old.certificates != new.certificates
        || old.user_certificates != new.user_certificates
        || old.authority != new.authority
        || old.secrets != new.secrets
        || old.store != new.store
        || old.env != new.env
        || old.limits != new.limits
}

/// The same pair of interfaces: what differs can be changed while it is up.
fn same_wire(a: &LinkPlan, b: &LinkPlan) -> bool {
    a.segment == b.segment && a.interface == b.interface && a.port == b.port
}

/// The running process can be told of the change: all that differs is a service's settings, or how
/// the keeper watches over it.
fn can_be_told(old: &ProcessPlan, new: &ProcessPlan) -> bool {
    if old.listens != new.listens {
        return false;
    }
    match (&old.kind, &new.kind) {
        (
            ProcessKind::Service {
                service: a,
                peers: peers_a,
                ..
            },
            ProcessKind::Service {
                service: b,
                peers: peers_b,
                ..
            },
        ) => a == b && peers_a == peers_b,
        (
            ProcessKind::Program {
                argv: a,
                env: env_a,
                user: user_a,
                ..
            },
            ProcessKind::Program {
                argv: b,
                env: env_b,
                user: user_b,
                ..
            },
        ) => a == b && env_a == env_b && user_a == user_b,
        _ => false,
    }
}
