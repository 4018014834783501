//! `diff(Plan, Plan) → Vec<Operation>`: the one way anything ever changes.
//! `up` is a diff from nothing, `down` a diff to nothing, `apply` a diff between files,
//! `fault` a diff to a plan with something broken.

use serde::{Deserialize, Serialize};

use super::{FilePlan, LinkPlan, NodePlan, Plan, ProcessPlan, RoutePlan, Ruleset, SegmentPlan};

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
        sysctls: std::collections::BTreeMap<String, String>,
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
    /// Tells a running service its new settings.
    Reconfigure {
        /// Node.
        node: String,
        /// The process as it shall be.
        process: Box<ProcessPlan>,
    },
}

/// The changes that lead from one plan to the other, in the order they must be made.
pub fn diff(from: &Plan, to: &Plan) -> Vec<Operation> {
    let _ = (from, to);
    Vec::new()
}
