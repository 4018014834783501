//! Mutations of address translation.

use super::mutation::{Edit, Family, How, Mutation, addresses, narrower};
use crate::check::{Lab, Nat, Node, Traffic};

pub(super) fn all(lab: &Lab) -> Vec<Mutation> {
    lab.nodes
        .values()
        .flat_map(|node| of_node(lab, node))
        .collect()
}

fn of_node(lab: &Lab, node: &Node) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (at, nat) in node.nat.iter().enumerate() {
        let (what, place) = match nat {
            Nat::Masquerade {
                outbound, place, ..
            } => (format!("masquerading to {outbound}"), place),
            Nat::Forward {
                inbound,
                to,
                place,
                traffic,
                ..
            } => {
                let port = match traffic {
                    Traffic::Tcp(ports) => format!("tcp/{}", ports.start()),
                    Traffic::Udp(ports) => format!("udp/{}", ports.start()),
                    _ => "what it takes".into(),
                };
                (format!("forwarding {port} from {inbound} to {to}"), place)
            }
        };
        let mut add = |how: How, word: &str, said: String, changed: Option<Nat>, last: bool| {
            let mut all_of_node = node.nat.clone();
            let old = all_of_node.remove(at);
            match changed {
                Some(changed) => all_of_node.insert(at, changed),
                None if last => all_of_node.push(old),
                None => {}
            }
            all.push(Mutation {
                id: format!("nat/{}/{}@{}/{word}", node.name, kind(nat), place.line),
                family: Family::Nat,
                how,
                said: format!("{what} at {} {said}", node.name),
                place: place.to_string(),
                // Which requests it carried, no subject says.
                subjects: Vec::new(),
                equal: None,
                edit: Edit::Nat {
                    node: node.name.clone(),
                    nat: all_of_node,
                },
            });
        };
        add(How::Remove, "remove", "is gone".into(), None, false);
        match nat {
            Nat::Masquerade {
                from,
                outbound,
                place,
            } => {
                let with = |from| Nat::Masquerade {
                    from,
                    outbound: outbound.clone(),
                    place: place.clone(),
                };
                if !from.is_empty() {
                    let said = "takes any source".to_owned();
                    add(How::Widen, "widen", said, Some(with(Vec::new())), false);
                }
                for (less, gone) in narrower(from, &addresses(lab)) {
                    let said = format!("is without {gone}");
                    add(How::Narrow, "narrow", said, Some(with(less)), false);
                }
            }
            Nat::Forward {
                inbound,
                traffic,
                to,
                port,
                place,
            } => {
                let every = match traffic {
                    Traffic::Tcp(_) => Traffic::Tcp(1..=u16::MAX),
                    Traffic::Udp(_) => Traffic::Udp(1..=u16::MAX),
                    other => other.clone(),
                };
                let wider = Nat::Forward {
                    inbound: inbound.clone(),
                    traffic: every,
                    to: *to,
                    port: *port,
                    place: place.clone(),
                };
                let said = "takes every port".to_owned();
                add(How::Widen, "widen", said, Some(wider), false);
            }
        }
        let alike = node.nat[at + 1..]
            .iter()
            .any(|later| kind(later) == kind(nat));
        if alike {
            add(How::Reorder, "reorder", "comes last".into(), None, true);
        }
    }
    all
}

fn kind(nat: &Nat) -> &'static str {
    match nat {
        Nat::Masquerade { .. } => "masquerade",
        Nat::Forward { .. } => "forward",
    }
}
