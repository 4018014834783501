//! What is where in a lab, and how it is: `lab up` ends with it, `lab status` is it.

use std::fmt::Write;

use lab_core::plan::Fault;
use lab_core::plan::Plan;
use lab_core::run::control::{NodeStatus, ProcessState, Status};

use crate::output::{Colour, Paint, Table};
use crate::zones;

/// Most addresses shown for a node.
const ADDRESSES: usize = 3;

/// Nodes by zone, VIPs, faults.
pub fn overview(plan: &Plan, status: &Status, paint: Paint) -> String {
    let mut text = String::new();
    let zones = zones::from_outside(plan);
    for zone in &zones {
        let mut table = Table::default();
        table.titles(paint, ["NODE", "ADDRESSES", "RUNS", "STATE"]);
        let mut nodes = 0;
        for (name, node) in &status.nodes {
            if zones::of_node(plan, name) == zone.name {
                nodes += 1;
                add_node(&mut table, plan, name, node, paint);
            }
        }
        if nodes > 0 {
            let title = zone
                .name
                .map_or_else(|| status.lab.clone(), |name| name.to_owned());
            let _ = write!(text, "{}\n{}\n", paint.bold(&title), table.render());
        }
    }
    let unattached: Vec<&str> = status
        .nodes
        .keys()
        .filter(|name| {
            plan.nodes
                .get(*name)
                .is_none_or(|node| node.links.is_empty())
        })
        .map(String::as_str)
        .collect();
    if !unattached.is_empty() && !zones.iter().any(|zone| zone.name.is_none()) {
        let _ = writeln!(text, "on no segment: {}\n", unattached.join(", "));
    }
    text.push_str(&vips(plan, status, paint));
    text.push_str(&faults(&status.faults, paint));
    for (node, tracked) in &status.full_of_connections {
        let trouble = format!("{node} tracks {tracked} connections and can hardly track more");
        let trouble = paint.colour(Colour::Red, &trouble);
        let _ = writeln!(
            text,
            "{trouble}:\n  new ones push out those that nobody has answered; where there are none, they are dropped\n"
        );
    }
    if let Some(trouble) = &status.clock {
        let trouble = paint.colour(Colour::Red, trouble);
        let _ = writeln!(
            text,
            "{trouble};\n  `lab down`, then `lab up` makes new ones\n"
        );
    }
    text
}

fn add_node(table: &mut Table, plan: &Plan, name: &str, node: &NodeStatus, paint: Paint) {
    // In the order of the file, which the plan keeps: the first address is the primary one.
    let links = plan
        .nodes
        .get(name)
        .map(|known| known.links.as_slice())
        .unwrap_or_default();
    let addresses: Vec<String> = links
        .iter()
        .flat_map(|link| {
            link.addresses
                .iter()
                .map(|address| address.addr().to_string())
        })
        .collect();
    let runs: Vec<&str> = node.processes.keys().map(String::as_str).collect();
    let (state, colour) = state_of(node);
    table.painted([
        (name.to_owned(), name.to_owned()),
        shortened(&addresses),
        (runs.join(", "), runs.join(", ")),
        (state.clone(), paint.colour(colour, &state)),
    ]);
}

fn shortened(addresses: &[String]) -> (String, String) {
    let shown = addresses.len().min(ADDRESSES);
    let mut text = addresses[..shown].join(", ");
    if addresses.len() > shown {
        let _ = write!(text, " +{}", addresses.len() - shown);
    }
    (text.clone(), text)
}

/// One word for a node that is well; what troubles it otherwise.
fn state_of(node: &NodeStatus) -> (String, Colour) {
    if !node.running {
        return ("off".into(), Colour::Red);
    }
    let mut worst = Colour::Green;
    let mut troubles = Vec::new();
    for (name, process) in &node.processes {
        let (word, colour) = match process.state {
            ProcessState::Healthy => continue,
            ProcessState::Starting => ("starting", Colour::Yellow),
            ProcessState::Unhealthy => ("unhealthy", Colour::Red),
            ProcessState::Waiting => ("ended, will be started again", Colour::Red),
            ProcessState::Stopped => ("stopped", Colour::Yellow),
        };
        if worst != Colour::Red {
            worst = colour;
        }
        let word = match process.again_in {
            Some(millis) => format!(
                "ended {} times, starts again in {}.{} s",
                process.restarts + 1,
                millis / 1000,
                millis % 1000 / 100
            ),
            None => word.to_owned(),
        };
        let trouble = process
            .trouble
            .as_deref()
            .map(|trouble| format!(": {trouble}"))
            .unwrap_or_default();
        troubles.push(format!("{name} {word}{trouble}"));
    }
    if troubles.is_empty() {
        let word = if node.processes.is_empty() {
            "up"
        } else {
            "healthy"
        };
        return (word.into(), worst);
    }
    (troubles.join("; "), worst)
}

fn vips(plan: &Plan, status: &Status, paint: Paint) -> String {
    if plan.vips.is_empty() {
        return String::new();
    }
    let mut table = Table::default();
    table.titles(paint, ["VIP", "ADDRESSES", "PORTS", "ON", "MEMBERS"]);
    for (name, vip) in &plan.vips {
        let addresses: Vec<String> = vip.addresses.iter().map(ToString::to_string).collect();
        let pool = status.pools.get(name);
        let state = |member: &String| pool.and_then(|pool| pool.get(member)).map(String::as_str);
        let (mut plain, mut painted) = (Vec::new(), Vec::new());
        for member in &vip.members {
            let text = match state(member) {
                None | Some("healthy") => member.clone(),
                Some(state) => format!("{member} ({state})"),
            };
            let well = text == *member;
            painted.push(if well {
                text.clone()
            } else {
                paint.colour(Colour::Red, &text)
            });
            plain.push(text);
        }
        let addresses = addresses.join(", ");
        let ports = vip.ports.join(", ");
        table.painted([
            (name.clone(), name.clone()),
            (addresses.clone(), addresses),
            (ports.clone(), ports),
            (vip.node.clone(), vip.node.clone()),
            (plain.join(", "), painted.join(", ")),
        ]);
    }
    format!("{}\n{}\n", paint.bold("VIPs"), table.render())
}

fn faults(faults: &[Fault], paint: Paint) -> String {
    if faults.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", paint.bold_in(Colour::Red, "Faults in force"));
    for fault in faults {
        let _ = writeln!(text, "  {}", said(fault));
    }
    text.push_str("  `lab heal` mends them all\n\n");
    text
}

/// A fault as a sentence.
pub fn said(fault: &Fault) -> String {
    match fault {
        Fault::Link { node, segment } => format!("{node} is cut off from {segment}"),
        Fault::Kill { node } => format!("{node} is switched off"),
        Fault::Stop {
            node,
            process: Some(process),
        } => format!("{process} is stopped on {node}"),
        Fault::Stop {
            node,
            process: None,
        } => format!("everything is stopped on {node}"),
        Fault::Revoke { node } => format!("the certificates of {node} are revoked"),
        Fault::Drain { node } => format!("{node} gets no new work from any balancer"),
    }
}

/// `3 s`, `12 min`, `5 h`, `2 d`: how long something has lasted.
pub fn lasted(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lab_core::plan::Fault;
    use lab_core::run::control::{NodeStatus, ProcessState, ProcessStatus, Status};

    use crate::graph::example;
    use crate::output::{Paint, When};

    fn status() -> Status {
        let plan = example::plan();
        let nodes = plan.nodes.keys().map(|name| {
            let process = ProcessStatus {
                what: "tier-web".into(),
                state: ProcessState::Healthy,
                restarts: 0,
                trouble: None,
                again_in: None,
            };
            let node = NodeStatus {
                fqdn: name.clone(),
                addresses: BTreeMap::new(),
                running: true,
                restarts: 0,
                processes: BTreeMap::from([("web".to_owned(), process)]),
            };
            (name.clone(), node)
        });
        Status {
            lab: plan.lab.clone(),
            title: None,
            since: 0,
            faults: Vec::new(),
            clock: None,
            full_of_connections: BTreeMap::new(),
            nodes: nodes.collect(),
            pools: BTreeMap::new(),
            rules: BTreeMap::new(),
        }
    }

    fn overview(status: &Status) -> String {
        super::overview(&example::plan(), status, Paint::new(When::Never, false))
    }

    #[test]
    fn a_clock_at_which_certificates_are_not_valid_is_told_with_the_way_out() {
        let mut status = status();
        assert!(!overview(&status).contains("valid"));
        status.clock = Some("certificates are valid from … to …".into());
        let text = overview(&status);
        assert!(
            text.contains("valid from … to …;\n  `lab down`, then `lab up`"),
            "{text}"
        );
    }

    #[test]
    fn every_node_stands_in_its_zone() {
        let text = overview(&status());
        let at = |needle: &str| {
            text.find(needle)
                .unwrap_or_else(|| panic!("no {needle} in:\n{text}"))
        };
        assert!(at("\nperimeter\n") < at("  lb "));
        assert!(at("  lb ") < at("\nintranet\n"));
        assert!(at("\nintranet\n") < at("  web1 "));
        assert!(text.contains("10.0.20.31"));
    }

    #[test]
    fn what_is_unwell_is_said_with_its_reason() {
        let mut status = status();
        if let Some(process) = status
            .nodes
            .get_mut("web1")
            .and_then(|node| node.processes.get_mut("web"))
        {
            process.state = ProcessState::Unhealthy;
            process.trouble = Some("no answer from 10.0.20.31:443".into());
        }
        if let Some(process) = status
            .nodes
            .get_mut("web1")
            .and_then(|node| node.processes.get_mut("web"))
        {
            let mut crashing = process.clone();
            crashing.state = ProcessState::Waiting;
            crashing.restarts = 4;
            crashing.again_in = Some(1650);
            crashing.trouble = Some("it ended with status 7".into());
            let node = status.nodes.get_mut("web1").expect("it is there");
            node.processes.insert("worker".into(), crashing);
        }
        if let Some(node) = status.nodes.get_mut("web2") {
            node.running = false;
        }
        status.pools.insert(
            "shop".into(),
            BTreeMap::from([("web2".to_owned(), "down".to_owned())]),
        );
        status.faults.push(Fault::Kill {
            node: "web2".into(),
        });
        let text = overview(&status);
        assert!(
            text.contains("web unhealthy: no answer from 10.0.20.31:443"),
            "{text}"
        );
        assert!(
            text.contains("worker ended 5 times, starts again in 1.6 s: it ended with status 7"),
            "{text}"
        );
        assert!(text.contains("web1, web2 (down)"), "{text}");
        assert!(text.contains("web2 is switched off"), "{text}");
    }

    #[test]
    fn time_is_said_in_one_unit() {
        assert_eq!(super::lasted(59), "59 s");
        assert_eq!(super::lasted(600), "10 min");
        assert_eq!(super::lasted(200_000), "2 d");
    }
}
