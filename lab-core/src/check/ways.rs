//! Both directions of every way through the lab. A stateful hop (an ACL, address translation) knows
//! a connection by its first packet: replies that come by another way are dropped there. What is
//! found here would otherwise be found by somebody who wonders why a client hangs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Acl, Lab, Nat, Node, NodeName, Route, Traffic};
use crate::model::{Diagnostic, Place};

/// Where following routes to an address ended.
enum End<'l> {
    /// At the node that has it.
    Reached(&'l Node),
    /// Nobody on its segment has it.
    Nobody,
    /// At a node without a route to it.
    NoRoute(&'l Node),
    /// At a node that it came by before.
    Circle(&'l Node),
}

/// The hops to an address.
struct Way<'l> {
    /// From the first node to the last.
    nodes: Vec<&'l Node>,
    /// The route taken at each node but the last; none where the address is on a segment of the node.
    routes: Vec<Option<&'l Route>>,
    /// The segment by which each node but the last is left.
    segments: Vec<&'l str>,
    end: End<'l>,
}

impl Way<'_> {
    fn written(&self) -> String {
        self.nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect::<Vec<_>>()
            .join(" > ")
    }

    /// The hops between both ends, from this one on, that keep connections in mind.
    fn stateful_after(&self, first: usize) -> BTreeSet<&str> {
        let between = self
            .nodes
            .get(first + 1..self.nodes.len().saturating_sub(1))
            .unwrap_or_default();
        between
            .iter()
            .filter(|node| is_stateful(node))
            .map(|node| node.name.as_str())
            .collect()
    }
}

/// Whether an ACL lets anything pass from one address to another: what it stops is no way.
fn lets_pass(acl: &Acl, from: IpAddr, to: IpAddr) -> bool {
    let covers = |nets: &[IpNet], address: IpAddr| {
        nets.is_empty() || nets.iter().any(|net| net.contains(&address))
    };
    for rule in acl.rules.iter().chain([&acl.default]) {
        if !covers(&rule.from, from) || !covers(&rule.to, to) {
            continue;
        }
        if rule.permit {
            // An error is about another packet: it opens no way.
            if rule.traffic.is_empty()
                || rule.traffic.iter().any(|kind| *kind != Traffic::IcmpErrors)
            {
                return true;
            }
        } else if rule.traffic.is_empty() && rule.inbound.is_none() && rule.outbound.is_none() {
            return false;
        }
    }
    false
}

fn is_stateful(node: &Node) -> bool {
    node.acl.is_some() || !node.nat.is_empty()
}

/// The lab with an index of who has which address.
struct Map<'l> {
    lab: &'l Lab,
    owners: HashMap<IpAddr, &'l Node>,
}

/// What is wrong with the ways of a lab; each cause once.
pub fn ways(lab: &Lab) -> Vec<Diagnostic> {
    let mut owners = HashMap::new();
    for node in lab.nodes.values() {
        for address in node.attachments.iter().flat_map(|leg| &leg.addresses) {
            owners.entry(address.addr()).or_insert(node);
        }
    }
    let map = Map { lab, owners };
    let ends = map.representatives();
    let mut found = Found::default();
    for from in &ends {
        for to in &ends {
            if from.name != to.name {
                map.compare(from, to, &mut found);
            }
        }
    }
    found.0.into_values().collect()
}

/// Diagnostics by cause.
#[derive(Default)]
struct Found(BTreeMap<(&'static str, String), Diagnostic>);

impl Found {
    fn add(&mut self, code: &'static str, cause: String, diagnostic: impl FnOnce() -> Diagnostic) {
        self.0.entry((code, cause)).or_insert_with(diagnostic);
    }
}

impl<'l> Map<'l> {
    /// One node for all that stand on the same segments and have the same routes.
    fn representatives(&self) -> Vec<&'l Node> {
        let mut seen = BTreeSet::new();
        let hosts = self
            .lab
            .nodes
            .values()
            .filter(|node| !node.router || !node.services.is_empty());
        hosts
            .filter(|node| {
                let legs: Vec<&str> = node
                    .attachments
                    .iter()
                    .map(|leg| leg.segment.as_str())
                    .collect();
                let routes: Vec<String> = node
                    .routes
                    .iter()
                    .map(|route| format!("{} {}", route.to, route.via))
                    .collect();
                seen.insert((legs, routes))
            })
            .collect()
    }

    fn follow(&self, from: &'l Node, to: IpAddr) -> Way<'l> {
        let mut way = Way {
            nodes: vec![from],
            routes: Vec::new(),
            segments: Vec::new(),
            end: End::Nobody,
        };
        let mut been: BTreeSet<&NodeName> = BTreeSet::from([&from.name]);
        let mut at = from;
        loop {
            let has = at
                .attachments
                .iter()
                .flat_map(|leg| &leg.addresses)
                .any(|own| own.addr() == to);
            let hands_out = self
                .lab
                .address_pools
                .values()
                .any(|pool| pool.via == at.name && pool.prefix.contains(&to));
            if has || hands_out {
                way.end = End::Reached(at);
                return way;
            }
            let connected = at
                .attachments
                .iter()
                .find(|leg| leg.addresses.iter().any(|own| own.contains(&to)));
            let (next, route, segment) = if let Some(leg) = connected {
                (self.owners.get(&to).copied(), None, leg.segment.as_str())
            } else {
                let route = at
                    .routes
                    .iter()
                    .filter(|route| route.to.contains(&to))
                    .max_by_key(|route| route.to.prefix_len());
                let Some(route) = route else {
                    way.end = End::NoRoute(at);
                    return way;
                };
                (
                    self.lab.nodes.get(&route.via_node),
                    Some(route),
                    route.segment.as_str(),
                )
            };
            let Some(next) = next else {
                way.end = End::Nobody;
                return way;
            };
            way.routes.push(route);
            way.segments.push(segment);
            way.nodes.push(next);
            if !been.insert(&next.name) {
                way.end = End::Circle(next);
                return way;
            }
            at = next;
        }
    }

    fn compare(&self, from: &'l Node, to: &'l Node, found: &mut Found) {
        for target in to
            .attachments
            .iter()
            .filter_map(|leg| leg.addresses.first())
        {
            let target = target.addr();
            let there = self.follow(from, target);
            match &there.end {
                End::Reached(_) => self.check_back(&there, target, found),
                End::Circle(node) => found.add("lab::route-circle", node.name.clone(), || {
                    circle(&there, target)
                }),
                End::NoRoute(node) => nowhere(&there, node, target, found),
                End::Nobody => {}
            }
        }
    }

    fn is_let_through(&self, there: &Way<'l>, target: IpAddr) -> bool {
        let own = || {
            let (first, segment) = (there.nodes.first()?, there.segments.first()?);
            let leg = first
                .attachments
                .iter()
                .find(|leg| leg.segment == *segment)?;
            leg.addresses
                .iter()
                .map(IpNet::addr)
                .find(|address| address.is_ipv4() == target.is_ipv4())
        };
        let Some(source) = own() else { return false };
        let between = there
            .nodes
            .get(1..there.nodes.len().saturating_sub(1))
            .unwrap_or_default();
        between
            .iter()
            .filter_map(|node| node.acl.as_ref())
            .all(|acl| lets_pass(acl, source, target))
    }

    fn check_back(&self, there: &Way<'l>, target: IpAddr, found: &mut Found) {
        let Some((source, hidden_by)) = source_seen(there, target) else {
            return;
        };
        let End::Reached(to) = there.end else { return };
        if !self.is_let_through(there, target) {
            return;
        }
        let back = self.follow(to, source);
        match back.end {
            End::Reached(_) => {}
            End::Circle(node) => {
                found.add("lab::route-circle", node.name.clone(), || {
                    circle(&back, source)
                });
                return;
            }
            End::NoRoute(node) => {
                found.add(
                    "lab::no-way-back",
                    format!("{} {source}", node.name),
                    || no_way_back(there, node, source),
                );
                return;
            }
            End::Nobody => return,
        }
        let passed = there.stateful_after(hidden_by);
        let returned = back.stateful_after(0);
        if passed != returned {
            let cause = format!("{passed:?} {returned:?}");
            found.add("lab::one-way", cause, || {
                one_way(there, &back, &passed, &returned)
            });
        }
    }
}

/// The address that the far end sees, and the hop that put it there: the last that masquerades, else
/// the first node itself.
fn source_seen(way: &Way<'_>, target: IpAddr) -> Option<(IpAddr, usize)> {
    let address_on = |node: &Node, segment: &str| {
        let legs = node.attachments.iter().filter(|leg| leg.segment == segment);
        let mut addresses = legs.flat_map(|leg| &leg.addresses).map(ipnet::IpNet::addr);
        addresses.find(|address| address.is_ipv4() == target.is_ipv4())
    };
    let mut source = address_on(way.nodes.first()?, way.segments.first()?)?;
    let mut hidden_by = 0;
    for (at, (node, segment)) in way.nodes.iter().zip(&way.segments).enumerate().skip(1) {
        let hides = node.nat.iter().any(|nat| match nat {
            Nat::Masquerade { from, outbound, .. } => {
                outbound == segment
                    && (from.is_empty() || from.iter().any(|net| net.contains(&source)))
            }
            Nat::Forward { .. } => false,
        });
        if hides {
            source = address_on(node, segment)?;
            hidden_by = at;
        }
    }
    Some((source, hidden_by))
}

/// The places of the routes that a way takes, those that somebody wrote.
fn written_routes<'w>(way: &'w Way<'_>) -> impl Iterator<Item = (&'w Place, String)> {
    way.nodes
        .iter()
        .zip(&way.routes)
        .filter_map(|(node, route)| {
            let route = route.as_ref()?;
            Some((
                &route.place,
                format!("{} goes to {} here", node.name, route.via_node),
            ))
        })
}

fn circle(way: &Way<'_>, target: IpAddr) -> Diagnostic {
    let message = format!("A packet to {target} goes round: {}.", way.written());
    let mut labels = written_routes(way);
    let (place, label) = labels.next().map_or_else(
        || (way.nodes[0].place.clone(), "from here".to_owned()),
        |(place, label)| (place.clone(), label),
    );
    let mut diagnostic = Diagnostic::error("lab::route-circle", message, &place, label);
    for (place, label) in labels {
        diagnostic = diagnostic.also(place, label);
    }
    diagnostic.help("let one of these routes lead towards the address")
}

fn nowhere(way: &Way<'_>, node: &Node, target: IpAddr, found: &mut Found) {
    // A default route may lead to somebody who does not know every address: so it is on the Internet.
    let Some(Some(route)) = way
        .routes
        .last()
        .filter(|route| route.is_some_and(|route| route.to.prefix_len() > 0))
    else {
        return;
    };
    found.add(
        "lab::route-nowhere",
        format!("{} {}", route.to, node.name),
        || {
            Diagnostic::warning(
                "lab::route-nowhere",
                format!(
                    "The route to {} leads to {}, which has none to {target}.",
                    route.to, node.name
                ),
                &route.place,
                format!("leads to {}", node.name),
            )
            .help(format!("give {} a route to {}", node.name, route.to))
        },
    );
}

fn no_way_back(there: &Way<'_>, node: &Node, source: IpAddr) -> Diagnostic {
    let names = |at: Option<&&Node>| at.map_or_else(String::new, |node| node.name.clone());
    let (from, to) = (names(there.nodes.first()), names(there.nodes.last()));
    Diagnostic::error(
        "lab::no-way-back",
        format!(
            "{from} reaches {to} ({}), but {} has no route back to {source}.",
            there.written(),
            node.name
        ),
        &node.place,
        format!("no route to {source}"),
    )
    .help(format!(
        "give {} a route, or let a router on the way masquerade",
        node.name
    ))
}

fn one_way(
    there: &Way<'_>,
    back: &Way<'_>,
    passed: &BTreeSet<&str>,
    returned: &BTreeSet<&str>,
) -> Diagnostic {
    let only = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| {
        a.difference(b).copied().collect::<Vec<_>>().join(", ")
    };
    let (missed, surprised) = (only(passed, returned), only(returned, passed));
    let who = match (missed.is_empty(), surprised.is_empty()) {
        (false, true) => format!("{missed} sees only the first half of the connection"),
        (true, false) => format!("{surprised} sees only the replies and drops them"),
        _ => format!("{missed} sees one direction, {surprised} the other"),
    };
    let message = format!(
        "The way there is {}, the way back {}: {who}.",
        there.written(),
        back.written()
    );
    let mut labels = written_routes(there).chain(written_routes(back));
    let (place, label) = labels.next().map_or_else(
        || (there.nodes[0].place.clone(), "from here".to_owned()),
        |(place, label)| (place.clone(), label),
    );
    let mut diagnostic = Diagnostic::error("lab::one-way", message, &place, label);
    let mut seen = BTreeSet::from([place]);
    for (place, label) in labels {
        if seen.insert(place.clone()) {
            diagnostic = diagnostic.also(place, label);
        }
    }
    diagnostic.help("let both directions pass the same routers: those with an ACL or address translation remember connections")
}
