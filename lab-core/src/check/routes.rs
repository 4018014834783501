//! Routes written and derived.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::lab::{Attachment, Lab, Node, Route};
use super::names::{Kind, Names, Thing};
use super::seats::Seat;
use crate::model::{Diagnostic, Spanned};

/// A router on a segment of the node.
struct NextHop {
    address: IpAddr,
    node: String,
    segment: String,
}

/// The routes of a seat's node.
pub(super) fn routes(
    seat: &Seat<'_>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Route> {
    let Some(node) = names.lab.nodes.get(&seat.name) else {
        return Vec::new();
    };
    let mut routes: Vec<Route> = Vec::new();
    let mut places: BTreeMap<IpNet, Spanned<String>> = BTreeMap::new();
    let mut default_written = false;
    for (to, via) in seat.entry.routes.iter() {
        default_written |= to.value == "default";
        let destinations = destinations(to, names, diagnostics);
        let hops = next_hops(node, via, names, diagnostics);
        let (Some(destinations), Some(hops)) = (destinations, hops) else {
            continue;
        };
        let mut used = false;
        for destination in destinations {
            default_written |= destination.prefix_len() == 0;
            let Some(hop) = hops
                .iter()
                .find(|hop| hop.address.is_ipv4() == is_v4(destination))
            else {
                continue;
            };
            // Of `default` over a dual-stack segment each family takes its own next hop.
            used = true;
            if let Some(first) = places.insert(destination, to.clone()) {
                diagnostics.push(
                    Diagnostic::error(
                        "lab::duplicate-route",
                        format!("`{}` has two routes to {destination}.", node.name),
                        &to.place,
                        "again here",
                    )
                    .also(&first.place, "first here")
                    .help("remove one of the two"),
                );
                continue;
            }
            routes.push(Route {
                to: destination,
                via: hop.address,
                via_node: hop.node.clone(),
                segment: hop.segment.clone(),
                derived: false,
                place: to.place.clone(),
            });
        }
        if !used {
            diagnostics.push(
                Diagnostic::error(
                    "lab::route-family",
                    format!(
                        "`{}` has no next hop of the family of `{}`.",
                        via.value, to.value
                    ),
                    &via.place,
                    "IPv4 and IPv6 don't mix",
                )
                .also(&to.place, "the destination"),
            );
        }
    }
    if !default_written && !node.router {
        routes.extend(derived(seat, node, names.lab, diagnostics));
    }
    routes
}

fn is_v4(prefix: IpNet) -> bool {
    matches!(prefix, IpNet::V4(_))
}

fn everything(v4: bool) -> IpNet {
    match v4 {
        true => IpNet::V4(Ipv4Net::default()),
        false => IpNet::V6(Ipv6Net::default()),
    }
}

fn destinations(
    to: &Spanned<String>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<IpNet>> {
    if to.value == "default" {
        return Some(vec![everything(true), everything(false)]);
    }
    match names.find(to, &[Kind::Segment, Kind::Pool], diagnostics)? {
        Thing::Literal(prefix) => Some(vec![prefix]),
        Thing::Segment(segment) => Some(segment.prefixes.clone()),
        Thing::Pool(pool) => Some(vec![pool.prefix]),
        Thing::Nodes(_) | Thing::Label(..) | Thing::Balancer(..) => None,
    }
}

/// Addresses of the next hop that lie on a segment of the node.
fn next_hops(
    node: &Node,
    via: &Spanned<String>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<NextHop>> {
    let (hops, target) = match names.find(via, &[Kind::Node], diagnostics)? {
        Thing::Literal(prefix) => {
            let hops = holders(prefix.addr(), node, names.lab);
            if hops.is_empty() {
                diagnostics.push(nobody(node, via, prefix.addr(), names.lab));
                return None;
            }
            (hops, None)
        }
        Thing::Label(_, address) => (holders(address, node, names.lab), Some(via)),
        Thing::Nodes(_) => {
            let router = names.node(via, diagnostics)?;
            (on_shared_segment(&node.attachments, router), Some(via))
        }
        Thing::Segment(_) | Thing::Pool(_) | Thing::Balancer(..) => return None,
    };
    if hops.iter().any(|hop| hop.node == node.name) || via.value == node.name {
        diagnostics.push(
            Diagnostic::error(
                "lab::route-to-itself",
                format!("`{}` is the next hop of its own route.", node.name),
                &via.place,
                "the node itself",
            )
            .help("name another router on one of its segments"),
        );
        return None;
    }
    if let (true, Some(via)) = (hops.is_empty(), target) {
        let segments: Vec<_> = node
            .attachments
            .iter()
            .map(|leg| leg.segment.as_str())
            .collect();
        let router = names.lab.nodes.get(via.split('.').next().unwrap_or(via));
        let mut diagnostic = Diagnostic::error(
            "lab::no-shared-segment",
            format!(
                "`{}` can't send to `{}`: they share no segment.",
                node.name, via.value
            ),
            &via.place,
            "not on a segment of this node",
        )
        .help(format!(
            "`{}` stands on {}; name a router there",
            node.name,
            segments.join(", ")
        ));
        if let Some(router) = router {
            diagnostic = diagnostic.also(&router.place, "the next hop");
        }
        diagnostics.push(diagnostic);
        return None;
    }
    for hop in &hops {
        if let Some(router) = names.lab.nodes.get(&hop.node)
            && !router.router
        {
            diagnostics.push(
                Diagnostic::warning(
                    "lab::next-hop-no-router",
                    format!(
                        "`{}` is a next hop, but does not forward packets.",
                        hop.node
                    ),
                    &via.place,
                    "no router",
                )
                .also(&router.place, "defined here")
                .help(format!("add `router: true` to `{}`", router.group)),
            );
            break;
        }
    }
    Some(hops)
}

/// Who has this address on a segment of the node.
fn holders(address: IpAddr, node: &Node, lab: &Lab) -> Vec<NextHop> {
    let mut hops = Vec::new();
    for leg in &node.attachments {
        for other in lab.nodes.values() {
            for other_leg in other
                .attachments
                .iter()
                .filter(|other| other.segment == leg.segment)
            {
                if other_leg
                    .addresses
                    .iter()
                    .any(|found| found.addr() == address)
                {
                    hops.push(NextHop {
                        address,
                        node: other.name.clone(),
                        segment: leg.segment.clone(),
                    });
                }
            }
        }
    }
    hops
}

/// The router's first address of each family on the first segment that it shares with the node.
fn on_shared_segment(legs: &[Attachment], router: &Node) -> Vec<NextHop> {
    for leg in legs {
        let Some(other) = router
            .attachments
            .iter()
            .find(|other| other.segment == leg.segment)
        else {
            continue;
        };
        return [true, false]
            .into_iter()
            .filter_map(|v4| {
                other
                    .addresses
                    .iter()
                    .find(|address| is_v4(**address) == v4)
            })
            .map(|address| NextHop {
                address: address.addr(),
                node: router.name.clone(),
                segment: leg.segment.clone(),
            })
            .collect();
    }
    Vec::new()
}

fn nobody(node: &Node, via: &Spanned<String>, address: IpAddr, lab: &Lab) -> Diagnostic {
    let leg = node.attachments.iter().find(|leg| {
        let segment = lab.segments.get(&leg.segment);
        segment.is_some_and(|segment| segment.prefixes.iter().any(|p| p.contains(&address)))
    });
    let message = match leg {
        Some(leg) => format!("Nobody on `{}` has the address {address}.", leg.segment),
        None => format!("{address} is on no segment of `{}`.", node.name),
    };
    Diagnostic::error(
        "lab::unknown-next-hop",
        message,
        &via.place,
        "nobody is there",
    )
    .help("name the router instead of its address: its address is looked up")
}

/// The default routes of a host: by the only router on the first of its segments that has one.
fn derived(
    seat: &Seat<'_>,
    node: &Node,
    lab: &Lab,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Route> {
    for leg in &node.attachments {
        let routers: Vec<&Node> = lab
            .nodes
            .values()
            .filter(|other| other.router && other.name != node.name)
            .filter(|other| {
                other
                    .attachments
                    .iter()
                    .any(|found| found.segment == leg.segment)
            })
            .collect();
        let router = match routers.as_slice() {
            [] => continue,
            [router] => router,
            several => {
                if seat.index == 0 {
                    let all: Vec<_> = several.iter().map(|router| router.name.as_str()).collect();
                    diagnostics.push(
                        Diagnostic::warning(
                            "lab::no-default-route",
                            format!(
                                "`{}` has no default route: {} are routers on `{}`.",
                                node.name,
                                all.join(" and "),
                                leg.segment
                            ),
                            &node.place,
                            "reaches its own segments only",
                        )
                        .help(format!(
                            "choose one: `routes: {{ default: {} }}`",
                            all.first().copied().unwrap_or_default()
                        )),
                    );
                }
                return Vec::new();
            }
        };
        return on_shared_segment(std::slice::from_ref(leg), router)
            .into_iter()
            .filter(|hop| {
                leg.addresses
                    .iter()
                    .any(|own| is_v4(*own) == hop.address.is_ipv4())
            })
            .map(|hop| Route {
                to: everything(hop.address.is_ipv4()),
                via: hop.address,
                via_node: hop.node,
                segment: hop.segment,
                derived: true,
                place: node.place.clone(),
            })
            .collect();
    }
    Vec::new()
}
