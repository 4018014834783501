//! Changes of a lab, said as sentences.

use lab_core::plan::{LinkPlan, Operation, ProcessKind, ProcessPlan, RoutePlan, SegmentPlan};

/// One change as a sentence without its full stop.
pub fn sentence(operation: &Operation) -> String {
    match operation {
        Operation::AddSegment { segment, plan } => {
            format!("the segment {segment} ({}) is made", joined(&plan.prefixes))
        }
        Operation::RemoveSegment { segment, .. } => format!("the segment {segment} is removed"),
        Operation::ChangeSegment { segment, from, to } => {
            let changes = segment_changes(from, to).join(", ");
            format!("the segment {segment} changes: {changes}")
        }
        Operation::StartNode { plan } => format!(
            "the node {} is started{}",
            plan.name,
            running(&plan.processes)
        ),
        Operation::StopNode { node } => {
            format!("the node {node} is ended with all that runs in it")
        }
        Operation::AddLink { node, link } => {
            format!(
                "{node} is attached to {} with {}",
                link.segment,
                joined(&link.addresses)
            )
        }
        Operation::RemoveLink { node, link } => format!("{node} is taken off {}", link.segment),
        Operation::ChangeLink { node, from, to } => {
            format!(
                "the link of {node} to {} changes: {}",
                to.segment,
                link_changes(from, to).join(", ")
            )
        }
        Operation::ChangeRoutes { node, remove, add } => routes(node, remove, add),
        Operation::SetRules { node, rules } => {
            let count: usize = rules.chains.iter().map(|chain| chain.rules.len()).sum();
            format!("the packet rules of {node} are replaced by {count}; its connections go on")
        }
        Operation::SetSysctls { node, sysctls } => {
            let settings: Vec<String> = sysctls
                .iter()
                .map(|(path, value)| format!("{path} = {value}"))
                .collect();
            format!("kernel settings of {node}: {}", settings.join(", "))
        }
        Operation::SetFiles {
            node,
            files,
            remove,
        } => files_sentence(node, files.iter().map(|file| file.path.as_str()), remove),
        Operation::StartProcess { node, process } => {
            format!("{} is started on {node} ({})", process.name, what(process))
        }
        Operation::StopProcess { node, process } => format!("{process} is stopped on {node}"),
        Operation::SetRevoked { node, certificates } if certificates.is_empty() => {
            format!("no certificate of {node} is revoked any more")
        }
        Operation::SetRevoked { node, certificates } => {
            let names: Vec<&str> = certificates.iter().map(String::as_str).collect();
            format!(
                "of the certificates of {node} these are revoked: {}",
                names.join(", ")
            )
        }
        Operation::Reconfigure { node, process } => {
            format!(
                "{} on {node} is told its new settings; it keeps running",
                process.name
            )
        }
    }
}

fn joined<T: ToString>(things: &[T]) -> String {
    things
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn running(processes: &[ProcessPlan]) -> String {
    let names: Vec<&str> = processes
        .iter()
        .map(|process| process.name.as_str())
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(" with {}", names.join(", "))
    }
}

fn what(process: &ProcessPlan) -> String {
    match &process.kind {
        ProcessKind::Service { service, .. } => format!("the service {service}"),
        ProcessKind::Program { argv, .. } => argv.join(" "),
    }
}

fn segment_changes(from: &SegmentPlan, to: &SegmentPlan) -> Vec<String> {
    let mut changes = Vec::new();
    if from.prefixes != to.prefixes {
        changes.push(format!(
            "prefix {} instead of {}",
            joined(&to.prefixes),
            joined(&from.prefixes)
        ));
    }
    if from.mtu != to.mtu {
        changes.push(format!("MTU {} instead of {}", to.mtu, from.mtu));
    }
    for (what, from, to) in [
        ("zone", &from.zone, &to.zone),
        ("tier", &from.tier, &to.tier),
    ] {
        let name = |of: &Option<String>| of.clone().unwrap_or_else(|| "none".to_owned());
        if from != to {
            changes.push(format!("{what} {} instead of {}", name(to), name(from)));
        }
    }
    changes
}

fn link_changes(from: &LinkPlan, to: &LinkPlan) -> Vec<String> {
    let mut changes = Vec::new();
    if from.up != to.up {
        changes.push(if to.up {
            "the carrier is back".to_owned()
        } else {
            "the carrier is lost".to_owned()
        });
    }
    if from.addresses != to.addresses {
        changes.push(format!(
            "addresses {} instead of {}",
            joined(&to.addresses),
            joined(&from.addresses)
        ));
    }
    if from.mtu != to.mtu {
        changes.push(format!("MTU {} instead of {}", to.mtu, from.mtu));
    }
    if from.mac != to.mac {
        changes.push(format!(
            "hardware address {} instead of {}",
            to.mac, from.mac
        ));
    }
    if from.rate != to.rate {
        changes.push(match to.rate {
            Some(rate) => format!("{} Mbit/s at most", rate as f64 / 1e6),
            None => "no rate limit".to_owned(),
        });
    }
    if from.delay != to.delay {
        changes.push(format!(
            "delay {} ms",
            to.delay.unwrap_or_default().as_secs_f64() * 1e3
        ));
    }
    if from.loss_ppm != to.loss_ppm {
        changes.push(format!(
            "{} % lost",
            f64::from(to.loss_ppm.unwrap_or_default()) / 1e4
        ));
    }
    changes
}

fn routes(node: &str, remove: &[RoutePlan], add: &[RoutePlan]) -> String {
    let one = |route: &RoutePlan| {
        if route.to.prefix_len() == 0 {
            format!("the default route by {}", route.via)
        } else {
            format!("{} by {}", route.to, route.via)
        }
    };
    let list = |routes: &[RoutePlan]| routes.iter().map(one).collect::<Vec<_>>().join(", ");
    match (remove, add) {
        (remove, []) => format!("{node} forgets {}", list(remove)),
        ([], add) => format!("{node} learns {}", list(add)),
        (remove, add) => format!("{node} learns {} instead of {}", list(add), list(remove)),
    }
}

fn files_sentence<'a>(
    node: &str,
    files: impl Iterator<Item = &'a str>,
    remove: &[String],
) -> String {
    let written: Vec<&str> = files.collect();
    match (written.is_empty(), remove.is_empty()) {
        (false, true) => format!("files of {node} are written: {}", written.join(", ")),
        (true, _) => format!("files of {node} are removed: {}", remove.join(", ")),
        (false, false) => {
            format!(
                "files of {node} are written: {}; removed: {}",
                written.join(", "),
                remove.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lab_core::model::Place;
    use lab_core::plan::{Operation, RoutePlan};

    use super::sentence;
    use crate::graph::example;

    #[test]
    fn a_link_tells_all_that_changes() {
        let from = example::plan().nodes["web1"].links[0].clone();
        let mut to = from.clone();
        to.up = false;
        to.delay = Some(Duration::from_millis(20));
        to.loss_ppm = Some(10_000);
        assert_eq!(
            sentence(&Operation::ChangeLink {
                node: "web1".into(),
                from,
                to
            }),
            "the link of web1 to frontend changes: the carrier is lost, delay 20 ms, 1 % lost"
        );
    }

    #[test]
    fn a_default_route_is_called_so() {
        let route = |via: &str| RoutePlan {
            to: "0.0.0.0/0".parse().expect("a prefix"),
            via: via.parse().expect("an address"),
            interface: "frontend".into(),
            place: Place::default(),
        };
        let operation = Operation::ChangeRoutes {
            node: "web1".into(),
            remove: vec![route("10.0.20.1")],
            add: vec![route("10.0.20.2")],
        };
        assert_eq!(
            sentence(&operation),
            "web1 learns the default route by 10.0.20.2 instead of the default route by 10.0.20.1"
        );
    }

    #[test]
    fn a_node_tells_what_runs_in_it() {
        let plan = example::plan().nodes["db"].clone();
        assert_eq!(
            sentence(&Operation::StartNode {
                plan: Box::new(plan)
            }),
            "the node db is started"
        );
    }
}
