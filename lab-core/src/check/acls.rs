//! Access control lists.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::lab::{Acl, AclRule, Node};
use super::names::Names;
use super::traffic::{covers, traffic};
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned, acl, nearest};

/// Most rules of an ACL, each of which is compared with those before it.
const MAX_RULES: usize = 5000;

/// Reads all ACLs.
pub(super) fn acls(
    file: &File,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Acl> {
    let mut acls = BTreeMap::new();
    let used: BTreeSet<&str> = file
        .nodes
        .iter()
        .filter_map(|(_, node)| node.acl.as_ref().map(|acl| acl.value.as_str()))
        .collect();
    for (name, written) in file.acls.iter() {
        super::labels::check_label("ACL", name, 32, diagnostics);
        if !used.contains(name.value.as_str()) {
            diagnostics.push(
                Diagnostic::warning(
                    "lab::unused-acl",
                    format!("No node uses the ACL `{}`.", name.value),
                    &name.place,
                    "unused",
                )
                .help(format!("add `acl: {}` to a router", name.value)),
            );
        }
        if let Some(beyond) = written.get(MAX_RULES) {
            diagnostics.push(
                Diagnostic::error(
                    "lab::too-many-rules",
                    format!(
                        "An ACL has at most {MAX_RULES} rules; `{}` has more.",
                        name.value
                    ),
                    &beyond.place,
                    "goes beyond it",
                )
                .help("write several sources, destinations or ports in one rule"),
            );
            continue;
        }
        // What could not be read is left out of the comparison.
        let mut rules: Vec<AclRule> = written
            .iter()
            .enumerate()
            .filter_map(|(at, written)| rule(name, at, written, names, diagnostics))
            .collect();
        shadowed(&rules, diagnostics);
        let default = match rules.last() {
            Some(last) if is_unconditional(last) => rules.pop(),
            _ => None,
        };
        let default = default.unwrap_or_else(|| AclRule {
            id: "default".into(),
            permit: false,
            traffic: Vec::new(),
            from: Vec::new(),
            to: Vec::new(),
            inbound: None,
            outbound: None,
            colour: None,
            note: None,
            place: name.place.clone(),
        });
        acls.insert(
            name.value.clone(),
            Acl {
                name: name.value.clone(),
                rules,
                default,
            },
        );
    }
    acls
}

fn is_unconditional(rule: &AclRule) -> bool {
    rule.traffic.is_empty()
        && rule.from.is_empty()
        && rule.to.is_empty()
        && rule.inbound.is_none()
        && rule.outbound.is_none()
}

fn rule(
    acl: &Spanned<String>,
    at: usize,
    written: &acl::Rule,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<AclRule> {
    let words = match (written.permit.is_empty(), written.drop.is_empty()) {
        (false, true) => &written.permit,
        (true, false) => &written.drop,
        (both_missing, _) => {
            let message = match both_missing {
                true => "The rule neither permits nor drops anything.",
                false => "The rule has both `permit` and `drop`.",
            };
            diagnostics.push(
                Diagnostic::error("lab::bad-rule", message, &written.place, "this rule")
                    .help("write either `permit: tcp/443` or `drop: any`"),
            );
            return None;
        }
    };
    let id = match &written.id {
        Some(id) => check_id(id, diagnostics),
        None => format!("{}-{}", acl.value, at + 1),
    };
    let traffic = traffic(words, diagnostics);
    let from = names.prefixes(&written.from, diagnostics);
    let to = names.prefixes(&written.to, diagnostics);
    let mut segment = |word: &Option<Spanned<String>>| match word {
        None => Some(None),
        Some(word) => names
            .segment(word, diagnostics)
            .map(|segment| Some(segment.name.clone())),
    };
    let (inbound, outbound) = (segment(&written.inbound), segment(&written.outbound));
    Some(AclRule {
        id,
        permit: written.drop.is_empty(),
        traffic: traffic?,
        from: from?,
        to: to?,
        inbound: inbound?,
        outbound: outbound?,
        colour: written.colour.clone(),
        note: written.note.clone(),
        place: written.place.clone(),
    })
}

fn check_id(id: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> String {
    let right = (1..=32).contains(&id.len())
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !right {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-name",
                format!("`{}` can't be the id of a rule.", id.escape_debug()),
                &id.place,
                "this id",
            )
            .help("an id has up to 32 letters, digits, `-`, `_` and `.`, like `P7`"),
        );
    }
    id.value.clone()
}

/// Reports rules that an earlier one covers completely.
fn shadowed(rules: &[AclRule], diagnostics: &mut Vec<Diagnostic>) {
    for (at, later) in rules.iter().enumerate() {
        let earlier = rules.iter().take(at).find(|earlier| {
            covers(&earlier.traffic, &later.traffic)
                && within(&earlier.from, &later.from)
                && within(&earlier.to, &later.to)
                && (earlier.inbound.is_none() || earlier.inbound == later.inbound)
                && (earlier.outbound.is_none() || earlier.outbound == later.outbound)
        });
        if let Some(earlier) = earlier {
            let help = match earlier.permit == later.permit {
                true => "remove it: it changes nothing",
                false => "move it in front of the other, or make the other narrower",
            };
            diagnostics.push(
                Diagnostic::error(
                    "lab::unreachable-rule",
                    format!(
                        "Rule `{}` can never match: `{}` before it takes all of its traffic.",
                        later.id, earlier.id
                    ),
                    &later.place,
                    "never reached",
                )
                .also(&earlier.place, "this one decides first")
                .help(help),
            );
        }
    }
}

/// Whether the union of `outer` holds all of `inner`; empty is any address.
fn within(outer: &[IpNet], inner: &[IpNet]) -> bool {
    if outer.is_empty() {
        return true;
    }
    let outer = IpNet::aggregate(&outer.to_vec());
    !inner.is_empty()
        && inner
            .iter()
            .all(|one| outer.iter().any(|prefix| prefix.contains(one)))
}

/// The ACL that a node uses; the segments it names are the node's own.
pub(super) fn of_node(
    node: &Node,
    word: &Spanned<String>,
    acls: &BTreeMap<String, Acl>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Acl> {
    let Some(acl) = acls.get(&word.value) else {
        if !names.declared.acls.contains(&word.value) {
            diagnostics.push(
                Diagnostic::error(
                    "lab::unknown-acl",
                    format!("No ACL is called `{}`.", word.value),
                    &word.place,
                    "unknown ACL",
                )
                .help(match nearest(word, acls.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "define it under `acls:`".into(),
                }),
            );
        }
        return None;
    };
    for rule in acl.rules.iter().chain([&acl.default]) {
        for segment in rule.inbound.iter().chain(&rule.outbound) {
            if !node.attachments.iter().any(|leg| leg.segment == *segment) {
                let legs: Vec<_> = node
                    .attachments
                    .iter()
                    .map(|leg| leg.segment.as_str())
                    .collect();
                diagnostics.push(
                    Diagnostic::error(
                        "lab::not-on-segment",
                        format!(
                            "Rule `{}` names `{segment}`, on which `{}` does not stand.",
                            rule.id, node.name
                        ),
                        &rule.place,
                        "can never match there",
                    )
                    .also(&word.place, format!("`{}` uses it", node.name))
                    .help(format!(
                        "`{}` stands on {}",
                        node.name,
                        legs.join(", ")
                    )),
                );
            }
        }
    }
    Some(acl.clone())
}
