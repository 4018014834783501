//! DNS zones, one for each view that shows them.

use std::collections::BTreeMap;

use super::lab::{Record, RecordData, View, Zone};
use super::labels::dns_name;
use super::names::{Names, addresses};
use super::records::{DEFAULT_TTL, Placed, owner, records};
use super::views::view;
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned, dns};

/// A zone of a view with its owners, while `like` is resolved.
pub(super) struct Draft<'a> {
    pub(super) origin: String,
    pub(super) view: String,
    pub(super) owners: BTreeMap<String, Vec<Placed>>,
    pub(super) written: &'a dns::Zone,
}

/// Reads all zones.
pub(super) fn zones<'a>(
    file: &'a File,
    views: &BTreeMap<String, View>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Draft<'a>> {
    let mut waiting: Vec<(String, String, &'a dns::Zone)> = Vec::new();
    let written = file.dns.iter().flat_map(|dns| &dns.zones);
    for zone in written {
        let Some(origin) = origin(&zone.zone, diagnostics) else {
            continue;
        };
        for word in zone.view.iter() {
            let Some(view) = view(word, views, names, diagnostics) else {
                continue;
            };
            let first = waiting
                .iter()
                .find(|(o, v, _)| *o == origin && *v == view.name);
            if let Some((.., first)) = first {
                diagnostics.push(
                    Diagnostic::error(
                        "lab::duplicate-zone",
                        format!("The view `{}` has the zone `{origin}` twice.", view.name),
                        &zone.zone.place,
                        "again here",
                    )
                    .also(&first.zone.place, "first here")
                    .help("put the records together, or name another view"),
                );
                continue;
            }
            waiting.push((origin.clone(), view.name.clone(), zone));
        }
    }
    // What is `like` another zone waits for it; what then still waits, waits in a circle.
    let mut drafts: Vec<Draft<'a>> = Vec::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut still = Vec::new();
        for (origin, view, zone) in std::mem::take(&mut waiting) {
            let base = match &zone.like {
                None => BTreeMap::new(),
                Some(like) => {
                    match drafts
                        .iter()
                        .find(|d| d.origin == origin && d.view == like.value)
                    {
                        Some(draft) => draft.owners.clone(),
                        None => {
                            still.push((origin, view, zone));
                            continue;
                        }
                    }
                }
            };
            let owners = owners(base, &origin, zone, names, diagnostics);
            drafts.push(Draft {
                origin,
                view,
                owners,
                written: zone,
            });
        }
        if still.len() == before {
            for (origin, _, zone) in still {
                let Some(like) = &zone.like else { continue };
                diagnostics.push(
                    Diagnostic::error(
                        "lab::unknown-zone",
                        format!(
                            "The view `{}` has no zone `{origin}` to start from.",
                            like.value
                        ),
                        &like.place,
                        "nothing there",
                    )
                    .help("`like` names a view that shows the same zone, and not in a circle"),
                );
            }
            break;
        }
        waiting = still;
    }
    drafts
}

fn origin(word: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    if word.value == "." {
        return Some(String::new());
    }
    if let Err(reason) = dns_name(word) {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-name",
                format!("`{}` is no zone: {reason}.", word.escape_debug()),
                &word.place,
                "this name",
            )
            .help("a zone looks like `example.com`; the root is `.`"),
        );
    }
    dns_name(word).ok()
}

fn owners(
    mut owners: BTreeMap<String, Vec<Placed>>,
    origin: &str,
    zone: &dns::Zone,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Vec<Placed>> {
    let mut here: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for (written, set) in zone.records.iter() {
        let Some(name) = owner(written, origin, diagnostics) else {
            continue;
        };
        if let Some(first) = here.insert(name.clone(), written) {
            diagnostics.push(
                Diagnostic::error(
                    "lab::duplicate-owner",
                    format!("`{name}` stands twice in the zone."),
                    &written.place,
                    "again here",
                )
                .also(&first.place, "first here")
                .help("put the records together"),
            );
        }
        match set {
            Some(set) => {
                owners.insert(
                    name.clone(),
                    records(&name, set, origin, names, diagnostics),
                );
            }
            None if owners.remove(&name).is_none() => {
                diagnostics.push(
                    Diagnostic::warning(
                        "lab::nothing-removed",
                        format!("There is no `{name}` that `null` could remove."),
                        &written.place,
                        "has no records",
                    )
                    .help("give it records, or remove the line"),
                );
            }
            None => {}
        }
    }
    if zone.nodes.unwrap_or(false) {
        add_nodes(&mut owners, origin, names);
    }
    owners
}

/// An address record for every node of the domain: its first address of each family on
/// its first segment.
fn add_nodes(owners: &mut BTreeMap<String, Vec<Placed>>, origin: &str, names: &Names<'_>) {
    for node in names.lab.nodes.values() {
        let domain = node
            .fqdn
            .strip_prefix(&format!("{}.", node.name))
            .unwrap_or("");
        if domain != origin || owners.contains_key(&node.fqdn) {
            continue;
        }
        let Some(leg) = node.attachments.first() else {
            continue;
        };
        let first = |v4: bool| leg.addresses.iter().find(|a| a.addr().is_ipv4() == v4);
        let found: Vec<Placed> = [true, false]
            .into_iter()
            .filter_map(first)
            .map(|address| Placed {
                record: Record {
                    name: node.fqdn.clone(),
                    ttl: DEFAULT_TTL,
                    data: RecordData::Address(address.addr()),
                },
                place: node.place.clone(),
            })
            .collect();
        owners.insert(node.fqdn.clone(), found);
    }
}

/// The zones as servers get them: with an NS record, and the server's address where its
/// name lies in the zone.
pub(super) fn finish(
    drafts: &[Draft<'_>],
    views: &BTreeMap<String, View>,
    names: &Names<'_>,
) -> Vec<Zone> {
    let mut zones = Vec::new();
    for draft in drafts {
        let mut records: Vec<Record> = draft
            .owners
            .values()
            .flatten()
            .map(|placed| placed.record.clone())
            .collect();
        let server = views
            .get(&draft.view)
            .and_then(|view| names.lab.nodes.get(&view.server));
        let has_ns = records
            .iter()
            .any(|record| record.name == draft.origin && matches!(record.data, RecordData::Ns(_)));
        if let (Some(server), false) = (server, has_ns) {
            let data = RecordData::Ns(server.fqdn.clone());
            records.push(Record {
                name: draft.origin.clone(),
                ttl: DEFAULT_TTL,
                data,
            });
            let inside = server.fqdn.ends_with(&format!(".{}", draft.origin));
            if inside && !draft.owners.contains_key(&server.fqdn) {
                records.extend(addresses(server).take(1).map(|address| Record {
                    name: server.fqdn.clone(),
                    ttl: DEFAULT_TTL,
                    data: RecordData::Address(address),
                }));
            }
        }
        zones.push(Zone {
            origin: draft.origin.clone(),
            view: draft.view.clone(),
            records,
            place: draft.written.zone.place.clone(),
        });
    }
    zones
}
