//! Members of balancers.

use std::net::IpAddr;

use super::lab::Member;
use super::names::{Kind, Names, Thing, primary};
use crate::model::file::File;
use crate::model::{Diagnostic, Place, Spanned};

/// The name that members' certificates carry.
#[derive(Clone, Copy)]
pub(super) struct Fqdn<'a> {
    pub(super) given: Option<&'a str>,
    /// What a further balancer is asked for: the site itself.
    pub(super) host: Option<&'a str>,
}

/// The members that words name, each once.
pub(super) fn members(
    file: &File,
    balancer: &Spanned<String>,
    words: &[Spanned<String>],
    port: u16,
    fqdn: Option<Fqdn<'_>>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Member> {
    let mut members: Vec<(Member, Place)> = Vec::new();
    for word in words {
        // A balancer may be called like the nodes behind it, and is no member of itself.
        let kinds: &[Kind] = match word.value == balancer.value {
            true => &[Kind::Node],
            false => &[Kind::Node, Kind::Balancer],
        };
        let mut add = |name: &str, own: &str, address: Option<IpAddr>| {
            let Some(address) = address else { return };
            let fqdn = fqdn.and_then(|fqdn| fqdn.given).unwrap_or(own).to_owned();
            let member = Member {
                name: name.to_owned(),
                fqdn,
                address,
                port,
            };
            if let Some((_, first)) = members.iter().find(|(other, _)| other.address == address) {
                diagnostics.push(
                    Diagnostic::error(
                        "lab::duplicate-member",
                        format!("`{name}` is a member twice."),
                        &word.place,
                        "again here",
                    )
                    .also(first, "first here")
                    .help("remove one of the two"),
                );
                return;
            }
            members.push((member, word.place.clone()));
        };
        // Borrowed again for each word: `add` holds the diagnostics.
        let mut found = Vec::new();
        match names.find(word, kinds, &mut found) {
            Some(Thing::Nodes(nodes)) => {
                for node in nodes {
                    add(&node.name, &node.fqdn, primary(node));
                }
            }
            Some(Thing::Label(node, address)) => add(&word.value, &node.fqdn, Some(address)),
            Some(Thing::Balancer(name, vips)) => {
                let own = match fqdn.and_then(|fqdn| fqdn.host) {
                    Some(host) => host.to_owned(),
                    None => first_host(file, name).unwrap_or_else(|| name.to_owned()),
                };
                add(name, &own, vips.first().copied());
            }
            Some(Thing::Literal(_)) => found.push(
                Diagnostic::error(
                    "lab::unknown-node",
                    "A member is named, not written as an address.",
                    &word.place,
                    "an address",
                )
                .help("name a node, a group, `node.label` or a balancer"),
            ),
            Some(Thing::Segment(_) | Thing::Pool(_)) | None => {}
        }
        diagnostics.append(&mut found);
    }
    members.into_iter().map(|(member, _)| member).collect()
}

fn first_host(file: &File, balancer: &str) -> Option<String> {
    let (_, written) = file
        .balancers
        .iter()
        .find(|(name, _)| name.value == balancer)?;
    Some(written.sites.first()?.hosts.first()?.value.clone())
}
