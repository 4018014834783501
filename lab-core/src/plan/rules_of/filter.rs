//! ACLs: what a router forwards, and what is sent to itself.

use ipnet::IpNet;

use super::{balances, traffic};
use crate::check::{Acl, AclRule, Lab, Nat, Node};
use crate::plan::{Action, Chain, Hook, Match, Rule};

pub(super) fn chains(lab: &Lab, node: &Node) -> Vec<Chain> {
    match &node.acl {
        Some(acl) => vec![input(acl), forward(node, acl)],
        // It forwards for its VIPs and for nothing else.
        None if balances(lab, node) && !node.router => vec![only_translated()],
        None => Vec::new(),
    }
}

fn stateful(id: &str, condition: Match, action: Action) -> Rule {
    Rule {
        id: id.into(),
        place: None,
        matches: vec![condition],
        mark: None,
        action,
    }
}

fn beginning() -> Vec<Rule> {
    vec![
        stateful("established", Match::Established, Action::Accept),
        stateful("invalid", Match::Invalid, Action::Drop),
        stateful(
            "neighbour discovery",
            Match::NeighbourDiscovery,
            Action::Accept,
        ),
    ]
}

fn input(acl: &Acl) -> Chain {
    let mut rules = beginning();
    rules.push(stateful(
        "loopback",
        Match::Inbound("lo".into()),
        Action::Accept,
    ));
    // What is sent to the router leaves by no interface.
    let concerned = |rule: &&AclRule| rule.outbound.is_none();
    rules.extend(
        numbered(acl)
            .filter(|(_, rule)| concerned(rule))
            .flat_map(|(mark, rule)| expand(mark, rule)),
    );
    Chain {
        name: "input".into(),
        hook: Some(Hook::Input),
        rules,
    }
}

fn forward(node: &Node, acl: &Acl) -> Chain {
    let mut rules = beginning();
    if node
        .nat
        .iter()
        .any(|nat| matches!(nat, Nat::Forward { .. }))
    {
        rules.push(stateful(
            "forwarded port",
            Match::Translated,
            Action::Accept,
        ));
    }
    rules.extend(numbered(acl).flat_map(|(mark, rule)| expand(mark, rule)));
    Chain {
        name: "forward".into(),
        hook: Some(Hook::Forward),
        rules,
    }
}

fn only_translated() -> Chain {
    let rules = vec![
        stateful("established", Match::Established, Action::Accept),
        stateful("vip", Match::Translated, Action::Accept),
        Rule {
            id: "not a router".into(),
            place: None,
            matches: Vec::new(),
            mark: None,
            action: Action::Drop,
        },
    ];
    Chain {
        name: "forward".into(),
        hook: Some(Hook::Forward),
        rules,
    }
}

/// Rules with the mark that a connection they decide gets: their number, from 1.
fn numbered(acl: &Acl) -> impl Iterator<Item = (u32, &AclRule)> {
    (1..).zip(acl.rules.iter().chain([&acl.default]))
}

/// One rule for each way of meeting the conditions.
fn expand(mark: u32, rule: &AclRule) -> Vec<Rule> {
    let or_any = |nets: &[IpNet]| -> Vec<Option<IpNet>> {
        if nets.is_empty() {
            vec![None]
        } else {
            nets.iter().copied().map(Some).collect()
        }
    };
    let traffics: Vec<Option<Match>> = if rule.traffic.is_empty() {
        vec![None]
    } else {
        rule.traffic
            .iter()
            .map(|kind| Some(traffic(kind)))
            .collect()
    };
    let mut rules = Vec::new();
    for from in or_any(&rule.from) {
        for to in or_any(&rule.to) {
            if let (Some(from), Some(to)) = (from, to)
                && from.addr().is_ipv4() != to.addr().is_ipv4()
            {
                continue;
            }
            for kind in &traffics {
                let matches = [
                    rule.inbound.clone().map(Match::Inbound),
                    rule.outbound.clone().map(Match::Outbound),
                    from.map(Match::Source),
                    to.map(Match::Destination),
                    kind.clone(),
                ];
                rules.push(Rule {
                    id: rule.id.clone(),
                    place: (rule.place.line > 0).then(|| rule.place.to_string()),
                    matches: matches.into_iter().flatten().collect(),
                    mark: Some(mark),
                    action: if rule.permit {
                        Action::Accept
                    } else {
                        Action::Drop
                    },
                });
            }
        }
    }
    rules
}
