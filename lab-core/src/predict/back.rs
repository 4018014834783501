//! The way back of an answer: by routes, and by what the nodes on the way remember.

use super::kind::Kind;
use super::network::{Model, Routed};
use super::rules::{Seen, State, decide};
use super::walk::Remembered;
use super::way::{Back, Hop, Packet, Step};
use crate::plan::{Hook, LinkPlan, NodePlan};

/// Most nodes passed.
const MOST_HOPS: usize = 64;

/// What kind of an answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Of the protocol itself: data, a reset.
    Reply,
    /// An ICMP error about the question.
    Error,
}

/// Follows an answer from a node. `reply` is the packet of the other direction, its kind that of the
/// question; `remembered` what the nodes on the way there know of it.
pub(super) fn follow<'l>(
    model: &Model<'l>,
    from: &'l NodePlan,
    reply: Packet,
    answer: Answer,
    remembered: &[Remembered],
    origin: &str,
) -> Back {
    let mut back = Back {
        hops: Vec::new(),
        arrives: false,
        trouble: None,
    };
    let trouble = follow_on(
        model,
        from,
        reply,
        answer,
        remembered,
        origin,
        &mut back.hops,
    )
    .err();
    back.arrives = trouble.is_none();
    back.trouble = trouble;
    back
}

fn follow_on<'l>(
    model: &Model<'l>,
    from: &'l NodePlan,
    mut packet: Packet,
    answer: Answer,
    remembered: &[Remembered],
    origin: &str,
    hops: &mut Vec<Hop>,
) -> Result<(), String> {
    let (mut node, mut inbound): (&NodePlan, Option<&LinkPlan>) = (from, None);
    while hops.len() < MOST_HOPS {
        let mut hop = Hop {
            node: node.name.clone(),
            inbound: inbound.map(|link| link.interface.clone()),
            packet,
            steps: Vec::new(),
        };
        // Where it is made nothing is translated back: it answers what it got.
        let known = inbound.and_then(|_| {
            remembered.iter().rev().find(|known| {
                known.node == node.name
                    && known.translated.source == packet.destination
                    && known.translated.destination == packet.source
                    && known.translated.kind == packet.kind
            })
        });
        let translated = known.is_some_and(|known| {
            known.original.destination != known.translated.destination
                || known.original.kind != known.translated.kind
        });
        let mut outward = packet;
        if let Some(known) = known {
            packet.destination = known.original.source;
            outward = Packet {
                source: known.original.destination,
                destination: known.original.source,
                kind: known.original.kind,
            };
            if hop.packet.destination != packet.destination {
                hop.steps.push(translation(
                    false,
                    hop.packet.destination,
                    packet.destination,
                ));
            }
        }
        let state = match (known, inbound, answer, packet.kind) {
            (Some(_), ..) | (None, None, ..) => State::Established,
            // Without its beginning, only a datagram looks like the first of a connection.
            (_, _, Answer::Reply, Kind::Udp(_) | Kind::Protocol(_)) => State::New,
            (_, _, Answer::Reply, Kind::Tcp(_) | Kind::Icmp) | (_, _, Answer::Error, _) => {
                State::Invalid
            }
        };
        let seen = Seen {
            packet,
            state,
            translated,
            inbound: inbound.map(|link| link.interface.as_str()),
            outbound: None,
        };
        let route = model.route(node, packet.destination);
        let (link, gateway) = match route {
            Routed::Here => {
                let passes = filter(model, node, Hook::Input, "input", &seen, &mut hop);
                hops.push(hop);
                return match (passes, node.name == origin) {
                    (false, _) => Err(format!("{} drops the answer", node.name)),
                    (true, true) => Ok(()),
                    (true, false) => Err(format!(
                        "the answer to {} ends at {}, which did not ask",
                        packet.destination, node.name
                    )),
                };
            }
            Routed::Nowhere => {
                hops.push(hop);
                let to = packet.destination;
                return Err(format!("{} has no route back to {to}", node.name));
            }
            Routed::Out {
                link,
                hop: gateway,
                route,
                prefix,
            } => {
                hop.steps.push(Step::Route {
                    to: prefix,
                    via: route.map(|route| route.via),
                    node: route.and_then(|route| model.holder(route.via).map(str::to_owned)),
                    interface: link.interface.clone(),
                    place: route
                        .filter(|route| route.place.line > 0)
                        .map(|route| route.place.to_string()),
                });
                (link, gateway)
            }
        };
        if inbound.is_some() {
            if !Model::forwards(node, packet.destination) {
                hops.push(hop);
                return Err(format!(
                    "{} is no router and does not pass on the answer",
                    node.name
                ));
            }
            let seen = Seen {
                outbound: Some(&link.interface),
                ..seen
            };
            if !filter(model, node, Hook::Forward, "forward", &seen, &mut hop) {
                let id = decide(&node.rules, Hook::Forward, &seen);
                let id = id.map_or_else(String::new, |rule| format!(" by {}", rule.id));
                hops.push(hop);
                return Err(format!(
                    "{} drops the answer{id}: the way there did not pass it",
                    node.name
                ));
            }
        }
        if outward.source != packet.source {
            hop.steps
                .push(translation(true, packet.source, outward.source));
        }
        packet = outward;
        hops.push(hop);
        match model.neighbour(link, gateway) {
            Some((next, leg)) => (node, inbound) = (next, Some(leg)),
            None => {
                return Err(format!(
                    "nobody on {} has {gateway}, the way back",
                    link.segment
                ));
            }
        }
    }
    Err("the answer goes round".into())
}

/// What connection tracking undoes, which no rule says again.
fn translation(source: bool, was: std::net::IpAddr, becomes: std::net::IpAddr) -> Step {
    let rule = "established".to_owned();
    match source {
        true => Step::Source {
            was,
            becomes,
            rule,
            place: None,
        },
        false => Step::Destination {
            was,
            becomes,
            port: None,
            rule,
            place: None,
        },
    }
}

/// Whether the chain lets it pass; its verdict is noted.
fn filter(
    model: &Model<'_>,
    node: &NodePlan,
    hook: Hook,
    chain: &'static str,
    seen: &Seen<'_>,
    hop: &mut Hop,
) -> bool {
    let Some(verdict) = model.verdict(node, hook, chain, seen) else {
        return true;
    };
    let passes = verdict.passes;
    hop.steps.push(Step::Verdict(verdict));
    passes
}
