//! Mutations of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::mutation::{Edit, Family, How, Mutation, addresses, narrower};
use crate::check::{Acl, AclRule, Lab, Traffic};
use crate::coverage::Subject;

pub(super) fn all(lab: &Lab) -> Vec<Mutation> {
    // An ACL that several nodes use stands in the file once.
    let acls: BTreeMap<&String, &Acl> = lab
        .nodes
        .values()
        .filter_map(|node| node.acl.as_ref())
        .map(|acl| (&acl.name, acl))
        .collect();
    let addresses = addresses(lab);
    acls.into_values()
        .flat_map(|acl| of_acl(lab, acl, &addresses))
        .collect()
}

struct Maker<'a> {
    lab: &'a Lab,
    acl: &'a Acl,
}

impl Maker<'_> {
    fn make(&self, rule: &AclRule, how: How, word: &str, said: String) -> Mutation {
        // What is let pass or stopped besides is what another rule decided about so far.
        let concerned = |one: &&AclRule| match how {
            How::Remove | How::Narrow => one.place == rule.place,
            How::Widen | How::Reorder => one.place == rule.place || !one.permit,
        };
        let users = self.lab.nodes.values();
        let users = users.filter(|node| {
            node.acl
                .as_ref()
                .is_some_and(|acl| acl.name == self.acl.name)
        });
        let mut subjects = vec![Subject::Requirement {
            id: rule.id.clone(),
        }];
        subjects.extend(users.flat_map(|node| {
            let rules = self.acl.rules.iter().chain([&self.acl.default]);
            rules.filter(concerned).map(|rule| Subject::Rule {
                node: node.name.clone(),
                id: rule.id.clone(),
                place: rule.place.to_string(),
            })
        }));
        Mutation {
            id: format!(
                "acl/{}/{}@{}/{word}",
                self.acl.name, rule.id, rule.place.line
            ),
            family: Family::Acl,
            how,
            said,
            place: rule.place.to_string(),
            subjects,
            equal: None,
            edit: Edit::Acl {
                name: self.acl.name.clone(),
                rules: self.acl.rules.clone(),
                default: Box::new(self.acl.default.clone()),
            },
        }
    }

    fn replaced(&self, at: usize, rule: AclRule, how: How, word: &str, what: &str) -> Mutation {
        let id = &rule.id;
        let said = match how {
            How::Widen => format!("{id} takes {what}"),
            _ => format!("{id} is without {what}"),
        };
        let mut mutation = self.make(&rule, how, word, said);
        if let Edit::Acl { rules, .. } = &mut mutation.edit {
            rules[at] = rule;
        }
        mutation
    }
}

fn of_acl(lab: &Lab, acl: &Acl, addresses: &BTreeSet<IpAddr>) -> Vec<Mutation> {
    let maker = Maker { lab, acl };
    let mut all = Vec::new();
    for (at, rule) in acl.rules.iter().enumerate() {
        all.push(removed(&maker, at, rule));
        all.extend(widened(&maker, at, rule));
        all.extend(narrowed(&maker, at, rule, addresses));
        all.extend(last(&maker, at, rule));
    }
    all.push(turned(&maker));
    all
}

fn removed(maker: &Maker<'_>, at: usize, rule: &AclRule) -> Mutation {
    let said = format!("{} is gone", rule.id);
    let mut mutation = maker.make(rule, How::Remove, "remove", said);
    if let Edit::Acl { rules, .. } = &mut mutation.edit {
        rules.remove(at);
    }
    mutation
}

fn widened(maker: &Maker<'_>, at: usize, rule: &AclRule) -> Vec<Mutation> {
    let mut all = Vec::new();
    let mut add = |change: fn(&mut AclRule), word: &str, what: &str| {
        let mut wider = rule.clone();
        change(&mut wider);
        if wider != *rule {
            all.push(maker.replaced(at, wider, How::Widen, word, what));
        }
    };
    add(|rule| rule.traffic.clear(), "widen-traffic", "any traffic");
    add(|rule| rule.from.clear(), "widen-from", "any source");
    add(|rule| rule.to.clear(), "widen-to", "any destination");
    add(
        |rule| rule.inbound = None,
        "widen-in",
        "what comes in from anywhere",
    );
    add(
        |rule| rule.outbound = None,
        "widen-out",
        "what goes out to anywhere",
    );
    all
}

fn narrowed(
    maker: &Maker<'_>,
    at: usize,
    rule: &AclRule,
    addresses: &BTreeSet<IpAddr>,
) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (traffic, gone) in less_traffic(&rule.traffic) {
        let narrow = AclRule {
            traffic,
            ..rule.clone()
        };
        let word = format!("narrow-{gone}");
        all.push(maker.replaced(at, narrow, How::Narrow, &word, &gone));
    }
    for (from, gone) in narrower(&rule.from, addresses) {
        let narrow = AclRule {
            from,
            ..rule.clone()
        };
        let what = format!("{gone} among its sources");
        all.push(maker.replaced(at, narrow, How::Narrow, "narrow-from", &what));
    }
    for (to, gone) in narrower(&rule.to, addresses) {
        let narrow = AclRule { to, ..rule.clone() };
        let what = format!("{gone} among its destinations");
        all.push(maker.replaced(at, narrow, How::Narrow, "narrow-to", &what));
    }
    all
}

/// Each without one kind of traffic; of one range alone what is behind its first port. With each, what
/// is missing.
fn less_traffic(traffic: &[Traffic]) -> Vec<(Vec<Traffic>, String)> {
    if let [only] = traffic {
        let (first, rest): (Traffic, _) = match only {
            Traffic::Tcp(ports) if ports.start() < ports.end() => (
                Traffic::Tcp(*ports.start()..=*ports.start()),
                format!("tcp/{}-{}", ports.start() + 1, ports.end()),
            ),
            Traffic::Udp(ports) if ports.start() < ports.end() => (
                Traffic::Udp(*ports.start()..=*ports.start()),
                format!("udp/{}-{}", ports.start() + 1, ports.end()),
            ),
            _ => return Vec::new(),
        };
        return vec![(vec![first], rest)];
    }
    let each = traffic.iter().enumerate();
    each.map(|(at, one)| {
        let rest = traffic.iter().enumerate().filter(|(other, _)| *other != at);
        let rest = rest.map(|(_, one)| one.clone()).collect();
        (rest, word(one))
    })
    .collect()
}

fn word(traffic: &Traffic) -> String {
    let ports =
        |word: &str, ports: &std::ops::RangeInclusive<u16>| match ports.start() == ports.end() {
            true => format!("{word}/{}", ports.start()),
            false => format!("{word}/{}-{}", ports.start(), ports.end()),
        };
    match traffic {
        Traffic::Tcp(range) => ports("tcp", range),
        Traffic::Udp(range) => ports("udp", range),
        Traffic::Icmp => "icmp".into(),
        Traffic::IcmpErrors => "icmp-errors".into(),
        Traffic::Protocol(number) => format!("protocol-{number}"),
    }
}

/// The rule behind all others but the default. Where those do as it does, nothing changes.
fn last(maker: &Maker<'_>, at: usize, rule: &AclRule) -> Option<Mutation> {
    let behind = maker
        .acl
        .rules
        .get(at + 1..)
        .filter(|rest| !rest.is_empty())?;
    let said = format!("{} comes behind {}", rule.id, behind.last()?.id);
    let mut mutation = maker.make(rule, How::Reorder, "reorder", said);
    if let Edit::Acl { rules, .. } = &mut mutation.edit {
        let moved = rules.remove(at);
        rules.push(moved);
    }
    if behind.iter().all(|other| other.permit == rule.permit) {
        let ids: Vec<&str> = behind.iter().map(|other| other.id.as_str()).collect();
        let does = if rule.permit { "permits" } else { "drops" };
        mutation.equal = Some(format!("each of {} {does}, too", ids.join(", ")));
    }
    Some(mutation)
}

/// The last word, turned round.
fn turned(maker: &Maker<'_>) -> Mutation {
    let rule = &maker.acl.default;
    let (how, word, does) = match rule.permit {
        true => (How::Narrow, "narrow", "drops"),
        false => (How::Widen, "widen", "permits"),
    };
    let said = format!("{}, the default, {does} everything else", rule.id);
    let mut mutation = maker.make(rule, how, word, said);
    if let Edit::Acl { default, .. } = &mut mutation.edit {
        default.permit = !default.permit;
    }
    mutation
}
