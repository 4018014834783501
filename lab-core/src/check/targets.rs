//! Names that records point at, and that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::lab::{Lab, RecordData, Zone};
use super::zones::Draft;
use crate::model::{Diagnostic, Place, nearest};

/// Looks up the target of every written CNAME, MX, SRV and NS record.
pub(super) fn targets(drafts: &[Draft<'_>], lab: &Lab, diagnostics: &mut Vec<Diagnostic>) {
    let owners = owners(drafts, lab);
    let mut said: BTreeSet<(Place, String)> = BTreeSet::new();
    for draft in drafts {
        for placed in draft.owners.values().flatten() {
            let target = match &placed.record.data {
                RecordData::Cname(target) | RecordData::Ns(target) => target,
                // RFC 2782 and RFC 7505: `.` says that there is none.
                RecordData::Mx {
                    exchange: target, ..
                }
                | RecordData::Srv { target, .. } => target,
                RecordData::Address(_) | RecordData::Ptr(_) | RecordData::Txt(_) => continue,
            };
            if target.is_empty() {
                continue;
            }
            let Some(diagnostic) = nowhere(target, draft, &placed.place, lab, &owners) else {
                continue;
            };
            if said.insert((placed.place.clone(), target.clone())) {
                diagnostics.push(diagnostic);
            }
        }
    }
}

/// The names of each zone, by view and origin: also those whose records are wrong, which
/// was reported.
type Owners<'a> = BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>;

fn owners<'a>(drafts: &'a [Draft<'_>], lab: &'a Lab) -> Owners<'a> {
    let mut owners: Owners<'a> = BTreeMap::new();
    for zone in &lab.zones {
        let names = owners.entry((&zone.view, &zone.origin)).or_default();
        names.extend(zone.records.iter().map(|record| record.name.as_str()));
    }
    for draft in drafts {
        let names = owners.entry((&draft.view, &draft.origin)).or_default();
        names.extend(draft.owners.keys().map(String::as_str));
    }
    owners
}

fn nowhere(
    target: &str,
    draft: &Draft<'_>,
    place: &Place,
    lab: &Lab,
    owners: &Owners<'_>,
) -> Option<Diagnostic> {
    let own = best(
        target,
        lab.zones.iter().filter(|zone| zone.view == draft.view),
    );
    if let Some(zone) = own {
        if exists(target, zone, owners) {
            return None;
        }
        let near = nearest(
            target,
            zone.records.iter().map(|record| record.name.as_str()),
        );
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "add it to the zone `{}` of the view `{}`",
                zone.origin, draft.view
            ),
        };
        return Some(
            Diagnostic::error(
                "lab::name-nowhere",
                format!("`{target}` does not exist in the view `{}`.", draft.view),
                place,
                "leads nowhere",
            )
            .also(&zone.place, "the zone that would hold it")
            .help(help),
        );
    }
    let elsewhere: Vec<&Zone> = lab
        .zones
        .iter()
        .filter(|zone| best(target, std::iter::once(*zone)).is_some())
        .collect();
    let found = elsewhere.iter().any(|zone| exists(target, zone, owners));
    let forwards = lab
        .views
        .get(&draft.view)
        .is_some_and(|view| !view.forward.is_empty());
    match (elsewhere.first(), found) {
        (Some(_), true) if forwards => None,
        (Some(zone), true) => Some(
            Diagnostic::error(
                "lab::name-nowhere",
                format!(
                    "`{target}` exists in the view `{}` only, which `{}` does not ask.",
                    zone.view, draft.view
                ),
                place,
                "leads nowhere",
            )
            .also(&zone.place, "the zone that holds it")
            .help(format!(
                "show that zone in `{}` too, or let the view `forward`",
                draft.view
            )),
        ),
        (Some(zone), false) => Some(
            Diagnostic::error(
                "lab::name-nowhere",
                format!(
                    "`{target}` does not exist: its zone `{}` has no such name.",
                    zone.origin
                ),
                place,
                "leads nowhere",
            )
            .also(&zone.place, "the zone that would hold it")
            .help("add it there, or check the spelling"),
        ),
        (None, _) => Some(
            Diagnostic::warning(
                "lab::name-nowhere",
                format!("No zone of the lab holds `{target}`."),
                place,
                "can't be resolved in the lab",
            )
            .help("add a zone for it, or check the spelling"),
        ),
    }
}

/// The zone that is responsible for a name: the one with the longest origin.
fn best<'a>(name: &str, zones: impl Iterator<Item = &'a Zone>) -> Option<&'a Zone> {
    zones
        .filter(|zone| {
            zone.origin.is_empty()
                || name == zone.origin
                || name
                    .strip_suffix(&zone.origin)
                    .is_some_and(|rest| rest.ends_with('.'))
        })
        .max_by_key(|zone| zone.origin.len())
}

/// Whether a zone has a name, by itself or by a wildcard (RFC 4592).
fn exists(name: &str, zone: &Zone, owners: &Owners<'_>) -> bool {
    let owners = owners.get(&(zone.view.as_str(), zone.origin.as_str()));
    let has = |wanted: &str| owners.is_some_and(|owners| owners.contains(wanted));
    let mut rest = name;
    if has(name) {
        return true;
    }
    while let Some((_, parent)) = rest.split_once('.') {
        if has(&format!("*.{parent}")) {
            return true;
        }
        // A closer name that exists hides wildcards above it.
        if parent == zone.origin || has(parent) {
            return false;
        }
        rest = parent;
    }
    false
}
