//! [`File`] → [`Lab`], step by step: each takes what the earlier ones found out.

use std::collections::BTreeMap;

use super::attachments::{Attached, attach};
use super::files::Contents;
use super::lab::{AddressPool, Lab};
use super::labels::{check_dns_name, check_label};
use super::names::{Declared, Names};
use super::seats::{Seat, seats};
use super::segments::{Claim, claim, prefix, segments};
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned};
use crate::service::Catalogue;

/// Builds as much of the lab as can be, and reports what is wrong with it. Pure.
pub(super) fn build(
    file: &File,
    declared: &Declared,
    contents: &Contents,
    catalogue: Catalogue,
    diagnostics: &mut Vec<Diagnostic>,
) -> Lab {
    let mut claims = Vec::new();
    let segments = segments(file, &mut claims, diagnostics);
    let pools = pools(file, &mut claims, diagnostics);
    let (seats, groups) = seats(file, diagnostics);
    let attached = attach(file, &segments, &seats, declared, diagnostics);
    super::crowds::check(file, &attached, diagnostics);
    let Attached { mut legs, vips } = attached;
    let nodes = seats
        .iter()
        .map(|seat| {
            let legs = legs.remove(&seat.name).unwrap_or_default();
            (
                seat.name.clone(),
                super::nodes::node(seat, file, legs, diagnostics),
            )
        })
        .collect();
    let mut lab = Lab {
        name: file
            .lab
            .as_ref()
            .map(|name| name.value.clone())
            .unwrap_or_default(),
        title: file.title.clone(),
        hints: file.hints.0.clone(),
        segments,
        address_pools: pools,
        nodes,
        groups,
        views: BTreeMap::new(),
        zones: Vec::new(),
        balancers: BTreeMap::new(),
        directory: None,
        published: super::certificates::published(file, diagnostics),
    };
    same_kind_names(file, diagnostics);
    if let Some(name) = &file.lab {
        check_label("lab", name, 32, diagnostics);
    }
    if let Some(domain) = &file.domain {
        check_dns_name(domain, diagnostics);
    }

    // From here on names lead to segments, pools, nodes and VIPs.
    let names = Names {
        lab: &lab,
        vips: &vips,
        declared,
    };
    for (_, pool) in file.pools.iter() {
        names.node(&pool.via, diagnostics);
    }
    let acls = super::acls::acls(file, &names, diagnostics);
    let rest: Vec<_> = seats
        .iter()
        .map(|seat| {
            let routes = super::routes::routes(seat, &names, diagnostics);
            let acl = seat.entry.acl.as_ref().and_then(|word| {
                let node = lab.nodes.get(&seat.name)?;
                super::acls::of_node(node, word, &acls, &names, diagnostics)
            });
            let resolvers = resolvers(seat, file, &names, diagnostics);
            let files = super::files::files(seat, contents, diagnostics);
            let nat = super::nat::nat(seat, &names, diagnostics);
            (seat.name.clone(), routes, acl, resolvers, files, nat)
        })
        .collect();
    names.hosts(&file.resolvers, diagnostics);
    let balancers = super::balancers::balancers(file, &names, diagnostics);
    let directory = super::directory::directory(file, &names, diagnostics);
    let views = super::views::views(file, &names, diagnostics);
    let drafts = super::zones::zones(file, &views, &names, diagnostics);
    let zones = super::zones::finish(&drafts, &views, &names);

    for (name, routes, acl, resolvers, files, nat) in rest {
        let Some(node) = lab.nodes.get_mut(&name) else {
            continue;
        };
        node.routes = routes;
        node.acl = acl;
        node.resolvers = resolvers;
        node.files = files;
        node.nat = nat;
    }
    lab.balancers = balancers;
    lab.directory = directory;
    lab.zones = zones;
    let reverse = super::reverse::reverse(file, &views, &lab);
    lab.views = views;
    lab.zones.extend(reverse);
    super::targets::targets(&drafts, &lab, diagnostics);
    super::services::known(&lab, catalogue, diagnostics);
    lab
}

fn pools(
    file: &File,
    claims: &mut Vec<Claim>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, AddressPool> {
    let mut pools = BTreeMap::new();
    for (name, written) in file.pools.iter() {
        check_label("pool", name, 32, diagnostics);
        let Some(prefix) = prefix(&written.prefix, diagnostics) else {
            continue;
        };
        claim(
            format!("pool `{}`", name.value),
            prefix,
            &written.prefix,
            claims,
            diagnostics,
        );
        let via = written.via.value.clone();
        let place = name.place.clone();
        pools.insert(name.value.clone(), AddressPool { prefix, via, place });
    }
    pools
}

/// A pool and a segment of one name could not be told apart anywhere.
fn same_kind_names(file: &File, diagnostics: &mut Vec<Diagnostic>) {
    for (pool, _) in file.pools.iter() {
        let segment: Option<&(Spanned<String>, _)> = file
            .segments
            .iter()
            .find(|(name, _)| name.value == pool.value);
        if let Some((segment, _)) = segment {
            diagnostics.push(
                Diagnostic::error(
                    "lab::duplicate-name",
                    format!("`{}` is a segment and a pool.", pool.value),
                    &pool.place,
                    "the pool",
                )
                .also(&segment.place, "the segment")
                .help("rename one of the two"),
            );
        }
    }
}

fn resolvers(
    seat: &Seat<'_>,
    file: &File,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<std::net::IpAddr> {
    match &seat.entry.resolvers {
        Some(own) => names.hosts(own, diagnostics),
        // The lab's own are checked once, for the lab.
        None => names.hosts(&file.resolvers, &mut Vec::new()),
    }
}
