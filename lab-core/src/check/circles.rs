//! Balancers that are members of each other: a request would go round until somebody gives up.

use std::collections::{BTreeMap, BTreeSet};

use super::lab::{Balancer, BalancerMode, Member};
use crate::model::Diagnostic;

/// Reports each circle once, at its first balancer.
pub(super) fn circles(balancers: &BTreeMap<String, Balancer>, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for name in balancers.keys() {
        if let Some(circle) = back_to(name, balancers)
            && seen.is_disjoint(&circle.iter().copied().collect())
        {
            diagnostics.push(report(&circle, balancers));
            seen.extend(circle);
        }
    }
}

/// The shortest way from a balancer by its members back to itself, if there is one.
fn back_to<'a>(start: &str, balancers: &'a BTreeMap<String, Balancer>) -> Option<Vec<&'a str>> {
    let (start, _) = balancers.get_key_value(start)?;
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    let mut visited: BTreeSet<&str> = BTreeSet::new();
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        next += 1;
        for to in further(way.last()?, balancers) {
            if to == start {
                return Some(way);
            }
            if visited.insert(to) {
                ways.push([&way[..], &[to]].concat());
            }
        }
    }
    None
}

/// The balancers that are members of this one.
fn further<'a>(
    name: &str,
    balancers: &'a BTreeMap<String, Balancer>,
) -> impl Iterator<Item = &'a str> {
    let members: Vec<&Member> = match balancers.get(name).map(|balancer| &balancer.mode) {
        Some(BalancerMode::Layer4 { pool, .. }) => pool.members.iter().collect(),
        Some(BalancerMode::Layer7 { sites, .. }) => {
            sites.iter().flat_map(|site| &site.pool.members).collect()
        }
        None => Vec::new(),
    };
    members.into_iter().filter_map(|member| {
        let (name, balancer) = balancers.get_key_value(&member.name)?;
        balancer
            .vips
            .contains(&member.address)
            .then_some(name.as_str())
    })
}

fn report(circle: &[&str], balancers: &BTreeMap<String, Balancer>) -> Diagnostic {
    let mut places = circle.iter().filter_map(|name| balancers.get(*name));
    let first = places.next().map(|one| one.place.clone());
    let mut way = circle.to_vec();
    way.extend(circle.first());
    let diagnostic = Diagnostic::error(
        "lab::circle",
        format!(
            "Balancers are members of each other in a circle: {}.",
            way.join(" → ")
        ),
        &first.unwrap_or_default(),
        "from here",
    );
    places
        .fold(diagnostic, |diagnostic, next| {
            diagnostic.also(&next.place, "by this one")
        })
        .help("let one of them have nodes as members")
}
