//! What runs in a node, and who asks whether it is healthy.

use std::net::IpAddr;

use super::{ProbePlan, ProcessKind, ProcessPlan};
use crate::check::{Lab, Node, ServiceUse};
use crate::service::Setup;

/// Services, then programs, in the order of the file.
pub(super) fn of(lab: &Lab, node: &Node, setups: Vec<(&ServiceUse, Setup)>) -> Vec<ProcessPlan> {
    let probe = probe(lab, node);
    let services = setups.into_iter().map(|(used, setup)| ProcessPlan {
        name: used.name.clone(),
        kind: ProcessKind::Service {
            service: used.service.clone(),
            settings: setup.settings,
            peers: setup.peers,
        },
        running: true,
        listens: setup.listens,
        probe: probe.clone(),
        restart: used.restart,
    });
    let programs = node.programs.iter().map(|program| ProcessPlan {
        name: program.name.clone(),
        kind: ProcessKind::Program {
            argv: program.argv.clone(),
            env: program.env.clone(),
            user: program.user.clone(),
            health: program.health.clone(),
        },
        running: true,
        listens: Vec::new(),
        probe: program.health.as_ref().and(probe.clone()),
        restart: program.restart,
    });
    services.chain(programs).collect()
}

/// A neighbour asks: the one on most segments of the node, hosts before routers, then by name. A
/// node that is alone on its segments asks itself.
fn probe(lab: &Lab, node: &Node) -> Option<ProbePlan> {
    let neighbour = lab
        .nodes
        .values()
        .filter(|other| other.name != node.name)
        .filter_map(|other| {
            let shared = shared_segments(node, other);
            (shared > 0).then(|| {
                (
                    other.router,
                    usize::MAX - shared,
                    other.name.as_str(),
                    other,
                )
            })
        })
        .min_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)))
        .map(|(_, _, _, other)| other);
    let leg = match neighbour {
        Some(other) => node
            .attachments
            .iter()
            .find(|leg| stands_on(other, &leg.segment)),
        None => node.attachments.first(),
    };
    let to: Option<IpAddr> = leg
        .and_then(|leg| leg.addresses.first())
        .map(ipnet::IpNet::addr);
    Some(ProbePlan {
        from: neighbour.unwrap_or(node).name.clone(),
        to: to?,
    })
}

fn stands_on(node: &Node, segment: &str) -> bool {
    node.attachments.iter().any(|leg| leg.segment == segment)
}

fn shared_segments(a: &Node, b: &Node) -> usize {
    a.attachments
        .iter()
        .filter(|leg| stands_on(b, &leg.segment))
        .count()
}
