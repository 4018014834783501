//! VIPs: on which leg they stand, and who answers there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::attachments::Holders;
use super::lab::{Attachment, Balancer, BalancerMode, Segment, Traffic};
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned};

/// Finds each VIP on a leg of its node, and adds it there.
pub(super) fn vips(
    file: &File,
    segments: &BTreeMap<String, Segment>,
    legs: &mut BTreeMap<String, Vec<Attachment>>,
    holders: &mut Holders,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Vec<IpAddr>> {
    let mut all = BTreeMap::new();
    for (name, balancer) in file.balancers.iter() {
        let Some(legs) = legs.get_mut(&balancer.node.value) else {
            continue;
        };
        let mut vips: Vec<IpAddr> = Vec::new();
        for text in balancer.vip.iter() {
            let on: Vec<(usize, IpNet)> = legs
                .iter()
                .enumerate()
                .filter_map(|(at, leg)| {
                    let segment = segments.get(&leg.segment)?;
                    Some((at, super::literal::address(text, &segment.prefixes).ok()?))
                })
                .collect();
            // `.20` may fit on several legs; an address that the node has is meant then.
            let held = on.iter().find(|(at, vip)| {
                legs.get(*at)
                    .is_some_and(|leg| leg.addresses.iter().any(|a| a.addr() == vip.addr()))
            });
            let (at, vip) = match (held, on.as_slice()) {
                (Some(found), _) | (None, [found]) => *found,
                (None, []) => {
                    diagnostics.push(vip_outside(&balancer.node.value, text, legs, segments));
                    continue;
                }
                (None, several) => {
                    let meant: Vec<_> = several.iter().map(|(_, a)| a.addr().to_string()).collect();
                    diagnostics.push(Diagnostic::error(
                        "lab::ambiguous-address",
                        format!("`{}` could be {}.", text.value, meant.join(" or ")),
                        &text.place,
                        "write it in full",
                    ));
                    continue;
                }
            };
            vips.push(vip.addr());
            let Some(leg) = legs.get_mut(at) else {
                continue;
            };
            if leg.addresses.contains(&vip) {
                continue;
            }
            if holders.take(vip.addr(), &balancer.node.value, &text.place, diagnostics) {
                leg.addresses.push(vip);
            }
        }
        all.insert(name.value.clone(), vips);
    }
    all
}

fn vip_outside(
    node: &str,
    text: &Spanned<String>,
    legs: &[Attachment],
    segments: &BTreeMap<String, Segment>,
) -> Diagnostic {
    let prefixes: Vec<String> = legs
        .iter()
        .filter_map(|leg| segments.get(&leg.segment))
        .flat_map(|segment| segment.prefixes.iter().map(ToString::to_string))
        .collect();
    Diagnostic::error(
        "lab::address-outside",
        format!(
            "The VIP `{}` is no address on a segment of `{node}`.",
            text.escape_debug()
        ),
        &text.place,
        "on none of its segments",
    )
    .help(format!("`{node}` stands on {}", prefixes.join(", ")))
}

/// Two balancers on one address and port: who would answer?
pub(super) fn same_vip(balancers: &BTreeMap<String, Balancer>, diagnostics: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<(IpAddr, bool, u16), &Balancer> = BTreeMap::new();
    let mut in_file: Vec<&Balancer> = balancers.values().collect();
    in_file.sort_by_key(|balancer| &balancer.place);
    for balancer in in_file {
        for (tcp, port) in listens(&balancer.mode) {
            for vip in &balancer.vips {
                match taken.get(&(*vip, tcp, port)) {
                    Some(first) if first.name != balancer.name => diagnostics.push(
                        Diagnostic::error(
                            "lab::duplicate-vip",
                            format!(
                                "`{}` and `{}` both answer on {vip} port {port}.",
                                first.name, balancer.name
                            ),
                            &balancer.place,
                            "again here",
                        )
                        .also(&first.place, "first here")
                        .help(
                            "give one of them another VIP or port; sites of one address and port \
                             belong in one balancer",
                        ),
                    ),
                    Some(_) => {}
                    None => {
                        taken.insert((*vip, tcp, port), balancer);
                    }
                }
            }
        }
    }
}

/// Ports a balancer answers on; true is TCP.
fn listens(mode: &BalancerMode) -> Vec<(bool, u16)> {
    match mode {
        BalancerMode::Layer4 { ports, .. } => ports
            .iter()
            .filter_map(|traffic| match traffic {
                Traffic::Tcp(range) => Some((true, *range.start())),
                Traffic::Udp(range) => Some((false, *range.start())),
                _ => None,
            })
            .collect(),
        BalancerMode::Layer7 { port, sites, .. } => {
            let mut ports: Vec<(bool, u16)> = sites
                .iter()
                .filter_map(|site| Some((true, site.plain?)))
                .collect();
            ports.push((true, *port));
            ports.sort_unstable();
            ports.dedup();
            ports
        }
    }
}
