//! From a checked lab to its plan.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    NodePlan, Plan, RoutePlan, SegmentPlan, certificates, files, links, neighbours, processes,
    rules_of, sysctls, vips,
};
use crate::check::{Lab, Node};
use crate::service::{Catalogue, Setup, SetupRequest};

/// Computes the plan of a lab. The same lab gives the same plan, byte for byte.
///
/// Services that refuse their options are left out: `check` has reported them.
pub fn plan(lab: &Lab, catalogue: Catalogue) -> Plan {
    let segments = lab.segments.values().map(|segment| {
        let plan = SegmentPlan {
            bridge: segment.name.clone(),
            prefixes: segment.prefixes.clone(),
            mtu: segment.mtu,
            zone: segment.zone.clone(),
            tier: segment.tier.clone(),
        };
        (segment.name.clone(), plan)
    });
    let mut plan = Plan {
        lab: lab.name.clone(),
        title: lab.title.clone(),
        hints: lab.hints.clone(),
        segments: segments.collect(),
        nodes: lab
            .nodes
            .values()
            .map(|node| (node.name.clone(), node_plan(lab, node, catalogue)))
            .collect(),
        vips: vips::of(lab),
        published: lab.published.clone(),
        notes: notes(lab),
    };
    neighbours::add(&mut plan);
    plan
}

fn notes(lab: &Lab) -> BTreeMap<String, String> {
    let acls = lab.nodes.values().filter_map(|node| node.acl.as_ref());
    let rules = acls.flat_map(|acl| acl.rules.iter().chain([&acl.default]));
    rules
        .filter_map(|rule| Some((rule.place.to_string(), rule.note.clone()?)))
        .collect()
}

fn node_plan(lab: &Lab, node: &Node, catalogue: Catalogue) -> NodePlan {
    let setups = node.services.iter().filter_map(|used| {
        let request = SetupRequest {
            options: &used.options,
            node,
            lab,
        };
        let setup = catalogue.get(&used.service)?.setup(&request).ok()?;
        Some((used, setup))
    });
    let setups: Vec<_> = setups.collect();
    let routes = node.routes.iter().map(|route| RoutePlan {
        to: route.to,
        via: route.via,
        interface: route.segment.clone(),
        place: route.place.clone(),
    });
    let rules = rules_of::node(lab, node);
    NodePlan {
        name: node.name.clone(),
        group: node.group.clone(),
        fqdn: node.fqdn.clone(),
        router: node.router,
        running: true,
        links: links::of(lab, node),
        routes: routes.collect(),
        sysctls: sysctls::of(
            node,
            !rules.chains.is_empty(),
            rules_of::balances(lab, node),
        ),
        rules,
        files: files::of(lab, node),
        certificates: certificates::of(node, setups.iter().map(|(_, setup): &(_, Setup)| setup)),
        user_certificates: certificates::of_users(lab, node),
        revoked: certificates::revoked(node),
        authority: setups.iter().any(|(_, setup)| setup.authority),
        secrets: secrets_of(&setups),
        store: setups.iter().map(|(_, setup)| setup.store).sum(),
        processes: processes::of(lab, node, setups),
        env: node.env.clone(),
        limits: node.limits.clone(),
        place: node.place.clone(),
    }
}

/// Names of the secrets that a node's services ask for, each once.
fn secrets_of<T>(setups: &[(T, Setup)]) -> Vec<String> {
    let names = setups.iter().flat_map(|(_, setup)| setup.secrets.clone());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
