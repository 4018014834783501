//! Address translation.

use super::lab::{Nat, Node, Traffic};
use super::names::Names;
use super::nodes::check_port;
use super::seats::Seat;
use crate::model::{Diagnostic, Spanned};

/// The translations of a seat's node: masquerades, then port forwardings.
pub(super) fn nat(
    seat: &Seat<'_>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Nat> {
    let Some(node) = names.lab.nodes.get(&seat.name) else {
        return Vec::new();
    };
    let mut nat = Vec::new();
    for written in seat.entry.masquerade.iter() {
        router_only(node, &written.out, "masquerade", diagnostics);
        let from = names.prefixes(&written.from, diagnostics);
        let outbound = leg(node, &written.out, names, diagnostics);
        if let (Some(from), Some(outbound)) = (from, outbound) {
            nat.push(Nat::Masquerade {
                from,
                outbound,
                place: written.place.clone(),
            });
        }
    }
    let mut taken: Vec<(String, Traffic, Spanned<u16>)> = Vec::new();
    for written in seat.entry.forward.iter() {
        router_only(node, &written.inbound, "forward", diagnostics);
        let (port, traffic) = match (&written.tcp, &written.udp) {
            (Some(port), None) => (port, Traffic::Tcp(port.value..=port.value)),
            (None, Some(port)) => (port, Traffic::Udp(port.value..=port.value)),
            _ => {
                diagnostics.push(
                    Diagnostic::error(
                        "lab::bad-forward",
                        "A port forwarding has one port, by `tcp` or by `udp`.",
                        &written.place,
                        "this one",
                    )
                    .help("write `{ in: internet, tcp: 8080, to: web, port: 80 }`"),
                );
                continue;
            }
        };
        check_port(port, diagnostics);
        let inbound = leg(node, &written.inbound, names, diagnostics);
        let hosts = names.hosts(std::slice::from_ref(&written.to), diagnostics);
        let new_port = written
            .port
            .as_ref()
            .map(|port| check_port(port, diagnostics));
        let (Some(inbound), Some(to)) = (inbound, one(&hosts, &written.to, diagnostics)) else {
            continue;
        };
        if let Some((.., first)) = taken
            .iter()
            .find(|(segment, other, _)| *segment == inbound && *other == traffic)
        {
            diagnostics.push(
                Diagnostic::error(
                    "lab::duplicate-forward",
                    format!("Port {} of `{inbound}` is forwarded twice.", port.value),
                    &port.place,
                    "again here",
                )
                .also(&first.place, "first here")
                .help("use another port for one of the two"),
            );
            continue;
        }
        taken.push((inbound.clone(), traffic.clone(), port.clone()));
        nat.push(Nat::Forward {
            inbound,
            traffic,
            to,
            port: new_port,
            place: written.place.clone(),
        });
    }
    nat
}

fn router_only(node: &Node, at: &Spanned<String>, key: &str, diagnostics: &mut Vec<Diagnostic>) {
    if !node.router {
        diagnostics.push(
            Diagnostic::error(
                "lab::no-router",
                format!("`{}` has `{key}`, but forwards no packets.", node.name),
                &at.place,
                "needs a router",
            )
            .also(&node.place, "the node")
            .help("add `router: true`"),
        );
    }
}

/// A segment that the node stands on.
fn leg(
    node: &Node,
    word: &Spanned<String>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let segment = names.segment(word, diagnostics)?;
    if !node
        .attachments
        .iter()
        .any(|leg| leg.segment == segment.name)
    {
        let legs: Vec<_> = node
            .attachments
            .iter()
            .map(|leg| leg.segment.as_str())
            .collect();
        diagnostics.push(
            Diagnostic::error(
                "lab::not-on-segment",
                format!("`{}` does not stand on `{}`.", node.name, segment.name),
                &word.place,
                "not its segment",
            )
            .help(format!("it stands on {}", legs.join(", "))),
        );
        return None;
    }
    Some(segment.name.clone())
}

fn one(
    hosts: &[std::net::IpAddr],
    word: &Spanned<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<std::net::IpAddr> {
    if hosts.len() > 1 {
        diagnostics.push(
            Diagnostic::error(
                "lab::one-node",
                format!(
                    "`{}` stands for {} addresses; one is needed here.",
                    word.value,
                    hosts.len()
                ),
                &word.place,
                "several",
            )
            .help("name one node; a balancer's VIP leads to several"),
        );
        return None;
    }
    hosts.first().copied()
}
