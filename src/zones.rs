//! Zones and segments in the order people draw them: the outside first, the inside last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lab_core::plan::Plan;

/// A security zone with its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone<'a> {
    /// Its name; segments without one are a zone of their own.
    pub name: Option<&'a str>,
    /// Names of its segments, the outermost first.
    pub segments: Vec<&'a str>,
}

/// All zones. The inside is the zone with most nodes (one called `internet` never is); the farther
/// another one is from there, counted in segments, the earlier it comes.
pub fn from_outside(plan: &Plan) -> Vec<Zone<'_>> {
    let distance = distances(plan, inside(plan));
    let far = |segment: &str| Reverse(distance.get(segment).copied().unwrap_or(usize::MAX));
    let mut zones: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for (name, segment) in &plan.segments {
        zones.entry(segment.zone.as_deref()).or_default().push(name);
    }
    let mut zones: Vec<Zone<'_>> = zones
        .into_iter()
        .map(|(name, segments)| Zone { name, segments })
        .collect();
    zones.sort_by_key(|zone| {
        (
            zone.segments.iter().map(|segment| far(segment)).max(),
            zone.name,
        )
    });
    // A router that stands on all segments makes them equally far from the inside: then those
    // nearer to the outside come first.
    let depth = distances(plan, zones.first().and_then(|zone| zone.name));
    for zone in &mut zones {
        zone.segments.sort_by_key(|segment| {
            let prefix = plan
                .segments
                .get(*segment)
                .and_then(|known| known.prefixes.first());
            (
                far(segment),
                depth.get(segment).copied().unwrap_or(usize::MAX),
                prefix,
            )
        });
    }
    zones
}

/// The zone of the segment that a node stands on first.
pub fn of_node<'a>(plan: &'a Plan, node: &str) -> Option<&'a str> {
    let first = plan.nodes.get(node)?.links.first()?;
    plan.segments.get(&first.segment)?.zone.as_deref()
}

fn inside(plan: &Plan) -> Option<&str> {
    let mut nodes: BTreeMap<Option<&str>, usize> = plan
        .segments
        .values()
        .map(|segment| (segment.zone.as_deref(), 0))
        .collect();
    for name in plan.nodes.keys() {
        *nodes.entry(of_node(plan, name)).or_default() += 1;
    }
    nodes
        .into_iter()
        .max_by_key(|(zone, count)| (*zone != Some("internet"), *count))
        .and_then(|(zone, _)| zone)
}

fn distances<'a>(plan: &'a Plan, from: Option<&str>) -> BTreeMap<&'a str, usize> {
    let mut neighbours: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in plan.nodes.values() {
        for from in &node.links {
            neighbours
                .entry(&from.segment)
                .or_default()
                .extend(node.links.iter().map(|to| to.segment.as_str()));
        }
    }
    let start = plan
        .segments
        .iter()
        .filter(|(_, segment)| segment.zone.as_deref() == from);
    let mut distance: BTreeMap<&str, usize> = start.map(|(name, _)| (name.as_str(), 0)).collect();
    let mut queue: VecDeque<&str> = distance.keys().copied().collect();
    while let Some(segment) = queue.pop_front() {
        let next = distance.get(segment).copied().unwrap_or_default() + 1;
        for neighbour in neighbours.get(segment).into_iter().flatten() {
            if !distance.contains_key(neighbour) {
                distance.insert(neighbour, next);
                queue.push_back(neighbour);
            }
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use lab_core::plan::SegmentPlan;

    use crate::graph::example;

    #[test]
    fn the_outside_comes_first() {
        let plan = example::plan();
        let zones: Vec<_> = super::from_outside(&plan)
            .into_iter()
            .map(|zone| (zone.name, zone.segments))
            .collect();
        assert_eq!(
            zones,
            [
                (Some("home"), vec!["home"]),
                (Some("internet"), vec!["internet"]),
                (Some("perimeter"), vec!["perimeter"]),
                (Some("intranet"), vec!["frontend", "database"]),
            ]
        );
    }

    #[test]
    fn of_segments_behind_one_router_the_outer_one_comes_first() {
        let mut plan = example::plan();
        let vip = SegmentPlan {
            bridge: String::new(),
            prefixes: vec!["10.0.10.0/24".parse().expect("a prefix")],
            mtu: 1500,
            zone: Some("perimeter".into()),
            tier: None,
        };
        plan.segments.insert("vip".into(), vip);
        let core = plan.nodes.get_mut("core").expect("core is there");
        let mut link = core.links[0].clone();
        link.segment = "vip".into();
        core.links.push(link);
        let zones = super::from_outside(&plan);
        let perimeter = zones.iter().find(|zone| zone.name == Some("perimeter"));
        // By its prefix alone, vip would come first.
        assert_eq!(
            perimeter.map(|zone| zone.segments.clone()),
            Some(vec!["perimeter", "vip"])
        );
    }

    #[test]
    fn a_node_is_in_the_zone_it_stands_in_first() {
        let plan = example::plan();
        assert_eq!(super::of_node(&plan, "gateway"), Some("internet"));
        assert_eq!(super::of_node(&plan, "nobody"), None);
    }
}
