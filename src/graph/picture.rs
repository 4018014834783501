//! What is drawn, whatever the format.

use lab_core::plan::{NodePlan, Plan};

use crate::zones;

/// A lab, ready to be drawn: zones from the outside to the inside.
#[derive(Debug)]
pub struct Picture {
    /// The lab's title, or its name.
    pub title: String,
    /// Zones with their segments.
    pub zones: Vec<Zone>,
    /// Segments in the order of the zones.
    pub segments: Vec<Segment>,
    /// Nodes, those that stand on one segment grouped by it.
    pub nodes: Vec<Node>,
}

/// A zone.
#[derive(Debug)]
pub struct Zone {
    /// Its name; empty where the segments have none.
    pub name: String,
    /// Its first segment.
    pub first: usize,
    /// One past its last segment.
    pub end: usize,
}

/// A segment.
#[derive(Debug)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// Prefixes, joined.
    pub prefixes: String,
    /// Its tier; empty if it has none.
    pub tier: String,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Forwards packets.
    pub router: bool,
    /// Switched on.
    pub running: bool,
    /// What runs in it, joined.
    pub runs: String,
    /// Its legs, the outermost segment first.
    pub legs: Vec<Leg>,
    /// VIPs it answers for.
    pub vips: Vec<Vip>,
}

/// A node's leg.
#[derive(Debug)]
pub struct Leg {
    /// Number of the segment in [`Picture::segments`].
    pub segment: usize,
    /// Addresses; those of VIPs are left to these.
    pub addresses: Vec<String>,
    /// Has a carrier.
    pub up: bool,
}

/// A VIP.
#[derive(Debug)]
pub struct Vip {
    /// Its name.
    pub name: String,
    /// Its addresses, joined.
    pub addresses: String,
    /// Who stands behind it, joined.
    pub members: String,
}

impl Picture {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut zones = Vec::new();
        let mut segments: Vec<Segment> = Vec::new();
        for zone in zones::from_outside(plan) {
            let first = segments.len();
            for name in zone.segments {
                let Some(segment) = plan.segments.get(name) else {
                    continue;
                };
                segments.push(Segment {
                    name: name.to_owned(),
                    prefixes: joined(&segment.prefixes),
                    tier: segment.tier.clone().unwrap_or_default(),
                });
            }
            let name = zone.name.unwrap_or_default().to_owned();
            zones.push(Zone {
                name,
                first,
                end: segments.len(),
            });
        }
        let mut nodes: Vec<Node> = plan
            .nodes
            .values()
            .map(|node| draw_node(plan, node, &segments))
            .collect();
        nodes.sort_by_key(|node| node.legs.first().map_or(usize::MAX, |leg| leg.segment));
        Self {
            title: plan.title.clone().unwrap_or_else(|| plan.lab.clone()),
            zones,
            segments,
            nodes,
        }
    }
}

fn draw_node(plan: &Plan, node: &NodePlan, segments: &[Segment]) -> Node {
    let vips: Vec<_> = plan
        .vips
        .iter()
        .filter(|(_, vip)| vip.node == node.name)
        .collect();
    let is_vip =
        |address: &std::net::IpAddr| vips.iter().any(|(_, vip)| vip.addresses.contains(address));
    let mut legs: Vec<Leg> = node
        .links
        .iter()
        .filter_map(|link| {
            Some(Leg {
                segment: segments
                    .iter()
                    .position(|segment| segment.name == link.segment)?,
                addresses: link
                    .addresses
                    .iter()
                    .map(|address| address.addr())
                    .filter(|address| !is_vip(address))
                    .map(|address| address.to_string())
                    .collect(),
                up: link.up,
            })
        })
        .collect();
    legs.sort_by_key(|leg| leg.segment);
    Node {
        name: node.name.clone(),
        router: node.router,
        running: node.running,
        runs: node
            .processes
            .iter()
            .map(|process| process.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
        legs,
        vips: vips
            .into_iter()
            .map(|(name, vip)| Vip {
                name: name.clone(),
                addresses: joined(&vip.addresses),
                members: vip.members.join(", "),
            })
            .collect(),
    }
}

fn joined<T: ToString>(things: &[T]) -> String {
    things
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
