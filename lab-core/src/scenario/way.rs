//! Expectations of the way that a request took.

use std::collections::{BTreeMap, BTreeSet};

use crate::observe::{Decision, Deed, Flow, Journey};

use super::expectation::{Expectation, Unmet};
use super::path::Glob;

/// Whether it holds of a journey.
///
/// # Errors
/// What should have been and what was.
pub fn holds(
    expectation: &Expectation,
    journey: &Journey,
    routers: &BTreeSet<String>,
) -> Result<(), Unmet> {
    let unmet = |expected: String, seen: String| Err(Unmet { expected, seen });
    match expectation {
        Expectation::Path(pattern) => {
            let left_out = |node: &str| routers.contains(node);
            let paths: Vec<Vec<String>> = requests(journey).map(path_of).collect();
            let each = !paths.is_empty() && paths.iter().all(|path| pattern.fits(path, &left_out));
            if each || pattern.fits(&journey.path(), &left_out) {
                return Ok(());
            }
            unmet(format!("the way {pattern}"), ways(&paths))
        }
        Expectation::Never(globs) => {
            let path = journey.path();
            let met = path
                .iter()
                .find(|node| globs.iter().any(|glob| glob.matches(node)));
            match met {
                None => Ok(()),
                Some(node) => unmet(format!("it does not come by {node}"), ways(&[path])),
            }
        }
        Expectation::Decided { dropped, at, by } => {
            let wanted = match dropped {
                true => Decision::Drop,
                false => Decision::Accept,
            };
            let all = verdicts(journey);
            let good = all.iter().any(|(node, rule, decision)| {
                at.matches(node) && *decision == wanted && by.as_ref().is_none_or(|by| by == rule)
            });
            if good {
                return Ok(());
            }
            let word = match dropped {
                true => "dropped",
                false => "permitted",
            };
            let rule = by
                .as_ref()
                .map_or_else(String::new, |by| format!(" by {by}"));
            let seen: Vec<String> = all
                .iter()
                .map(|(node, rule, decision)| match decision {
                    Decision::Drop => format!("dropped at {node} by {rule}"),
                    Decision::Accept => format!("permitted at {node} by {rule}"),
                })
                .collect();
            let seen = match seen.is_empty() {
                true => "no rule decided on it".into(),
                false => seen.join(", "),
            };
            unmet(format!("it is {word} at {at}{rule}"), seen)
        }
        Expectation::Authenticated {
            method,
            principal,
            at,
        } => authenticated(
            journey,
            method.as_deref(),
            principal.as_deref(),
            at.as_ref(),
        ),
        Expectation::Balance {
            among,
            members,
            least,
            most,
        } => balance(journey, among, *members, *least, *most),
        Expectation::Order(texts) => {
            let happened = happenings(journey);
            let mut rest = happened.iter();
            match texts
                .iter()
                .find(|text| !rest.any(|(_, line)| happened_so(line, text)))
            {
                None => Ok(()),
                Some(missing) => {
                    let lines: Vec<&str> = happened.iter().map(|(_, line)| line.as_str()).collect();
                    unmet(
                        format!("`{missing}` in this order: {}", texts.join("; ")),
                        lines.join("; "),
                    )
                }
            }
        }
        _ => Ok(()),
    }
}

/// The conversations that are no questions about names.
fn requests(journey: &Journey) -> impl Iterator<Item = &Flow> {
    journey.flows.iter().filter(|flow| !flow.asks_a_name())
}

/// The way of one of them.
fn path_of(flow: &Flow) -> Vec<String> {
    let alone = Journey {
        flows: vec![flow.clone()],
        ..Journey::default()
    };
    alone.path()
}

fn ways(paths: &[Vec<String>]) -> String {
    let distinct: BTreeSet<String> = paths.iter().map(|path| path.join(" > ")).collect();
    match distinct.len() {
        0 => "nothing left the node".into(),
        _ => distinct.into_iter().collect::<Vec<_>>().join("; "),
    }
}

/// Node, rule and decision, in order.
fn verdicts(journey: &Journey) -> Vec<(&str, &str, Decision)> {
    let mut all = Vec::new();
    for flow in journey.all_flows() {
        for verdict in &flow.origin.verdicts {
            all.push((flow.from.as_str(), verdict.rule.as_str(), verdict.decision));
        }
        for hop in &flow.hops {
            for verdict in &hop.handling.verdicts {
                all.push((hop.node.as_str(), verdict.rule.as_str(), verdict.decision));
            }
        }
    }
    all
}

fn authenticated(
    journey: &Journey,
    method: Option<&str>,
    principal: Option<&str>,
    at: Option<&Glob>,
) -> Result<(), Unmet> {
    let mut seen = Vec::new();
    for flow in journey.all_flows() {
        let node = flow
            .last()
            .map_or(flow.from.as_str(), |hop| hop.node.as_str());
        for did in &flow.deeds {
            let Deed::Login {
                method: how,
                principal: who,
                verified,
                ..
            } = &did.deed
            else {
                continue;
            };
            let good = *verified
                && method.is_none_or(|wanted| wanted.eq_ignore_ascii_case(how))
                && principal.is_none_or(|wanted| wanted.eq_ignore_ascii_case(who))
                && at.is_none_or(|wanted| wanted.matches(node));
            if good {
                return Ok(());
            }
            let verb = if *verified { "logged in" } else { "refused" };
            seen.push(format!("{node} {verb} {who} by {how}"));
        }
    }
    let by = method.map_or_else(String::new, |method| format!(" by {method}"));
    let place = at.map_or_else(String::new, |at| format!(" at {at}"));
    Err(Unmet {
        expected: format!("a login of {}{by}{place}", principal.unwrap_or("anybody")),
        seen: match seen.is_empty() {
            true => "no login".into(),
            false => seen.join(", "),
        },
    })
}

fn balance(
    journey: &Journey,
    among: &Glob,
    members: Option<usize>,
    least: Option<u32>,
    most: Option<u32>,
) -> Result<(), Unmet> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for flow in requests(journey) {
        if let Some(node) = path_of(flow).into_iter().find(|node| among.matches(node)) {
            *counts.entry(node).or_default() += 1;
        }
    }
    let total: usize = counts.values().sum();
    let share = |count: usize| count as f64 / total as f64;
    let percent = |parts: u32| f64::from(parts) / 1e4;
    let good = total > 0
        && members.is_none_or(|wanted| counts.len() == wanted)
        && counts.values().all(|&count| {
            least.is_none_or(|least| share(count) * 100.0 >= percent(least))
                && most.is_none_or(|most| share(count) * 100.0 <= percent(most))
        });
    if good {
        return Ok(());
    }
    let mut expected = match members {
        Some(members) => format!("{members} of {among} chosen"),
        None => format!("requests spread over {among}"),
    };
    if let Some(least) = least {
        expected.push_str(&format!(", {} % each at least", percent(least)));
    }
    if let Some(most) = most {
        expected.push_str(&format!(", {} % each at most", percent(most)));
    }
    let seen: Vec<String> = counts
        .iter()
        .map(|(node, count)| format!("{node} {count} of {total}"))
        .collect();
    Err(Unmet {
        expected,
        seen: match seen.is_empty() {
            true => "none of them was on the way".into(),
            false => seen.join(", "),
        },
    })
}

/// Whether a line like `lb: ended TLS 1.3` is what a text says: all texts within it, and `cas*: ended TLS`
/// by any such node.
fn happened_so(line: &str, text: &str) -> bool {
    let by = text
        .split_once(": ")
        .and_then(|(node, did)| Some((Glob::parse(node).ok()?, did)));
    match (by, line.split_once(": ")) {
        (Some((wanted, did)), Some((node, done))) => wanted.matches(node) && done.contains(did),
        _ => line.contains(text),
    }
}

/// What happened on the way, in the order of time: microseconds since it began, and a line.
pub fn happenings(journey: &Journey) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for flow in journey.all_flows() {
        let node = flow
            .last()
            .map_or(flow.from.as_str(), |hop| hop.node.as_str());
        for did in &flow.deeds {
            all.push((
                did.at.saturating_sub(journey.began),
                format!("{node}: {}", deed(&did.deed)),
            ));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

/// What a service did, in words.
pub fn deed(deed: &Deed) -> String {
    match deed {
        Deed::Answered {
            name,
            kind,
            code,
            answers,
            ..
        } => match answers.is_empty() {
            true => format!("answered {name} {kind}: {code}"),
            false => format!("answered {name} {kind}: {}", answers.join(", ")),
        },
        Deed::Tls { name, version, .. } => match name {
            Some(name) => format!("ended {version} for {name}"),
            None => format!("ended {version}"),
        },
        Deed::Check { of } => format!("asked after the health of {of}"),
        Deed::TlsFailed { reason } => format!("TLS failed: {reason}"),
        Deed::Login {
            method,
            principal,
            verified: true,
            ..
        } => format!("logged in {principal} by {method}"),
        Deed::Login {
            method, principal, ..
        } => format!("refused {principal} by {method}"),
        Deed::Chose {
            pool,
            member,
            reason,
            ..
        } => format!("chose {member} of {pool}: {reason}"),
        Deed::Onward {
            to, asked, answer, ..
        } => format!("asked {to} for {asked}: {answer}"),
        Deed::Served { asked, answer, .. } => format!("answered {asked}: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::holds;
    use crate::observe::{Decision, Deed, Did, End, Flow, Handling, Hop, Journey, Tuple, Verdict};
    use crate::scenario::expectation::Expectation;
    use crate::scenario::path::{Glob, PathPattern};

    fn tuple(port: u16) -> Tuple {
        Tuple::tcp(
            "10.0.0.1:4000".parse().expect("an address"),
            format!("10.0.0.2:{port}").parse().expect("an address"),
        )
    }

    fn flow(nodes: &[&str], deeds: Vec<Did>) -> Flow {
        let verdict = |decision| Verdict {
            chain: "forward".into(),
            rule: "P7".into(),
            note: None,
            place: None,
            decision,
        };
        let hops = nodes
            .iter()
            .map(|node| Hop {
                node: (*node).into(),
                segment: "lan".into(),
                tuple: tuple(443),
                handling: Handling {
                    verdicts: match *node {
                        "gateway" => vec![verdict(Decision::Accept)],
                        _ => Vec::new(),
                    },
                    translated: None,
                },
            })
            .collect();
        Flow {
            from: "pc".into(),
            tuple: tuple(443),
            began: 0,
            micros: 1,
            closed: true,
            kept: false,
            origin: Handling::default(),
            hops,
            end: End::Answered,
            deeds,
        }
    }

    fn did(at: u64, deed: Deed) -> Did {
        Did {
            at,
            deed,
            flow: None,
        }
    }

    fn journey(flows: Vec<Flow>) -> Journey {
        Journey {
            flows,
            ..Journey::default()
        }
    }

    fn check(expectation: &Expectation, journey: &Journey) -> Result<(), String> {
        let routers = BTreeSet::from(["gateway".to_owned()]);
        holds(expectation, journey, &routers)
            .map_err(|unmet| format!("{}|{}", unmet.expected, unmet.seen))
    }

    fn glob(text: &str) -> Glob {
        Glob::parse(text).expect("a glob")
    }

    #[test]
    fn each_of_several_requests_takes_the_way() {
        let both = journey(vec![
            flow(&["gateway", "lb", "cas1"], vec![]),
            flow(&["gateway", "lb", "cas2"], vec![]),
        ]);
        let path = |text| Expectation::Path(PathPattern::parse(text).expect("a pattern"));
        assert_eq!(check(&path("lb > cas*"), &both), Ok(()));
        assert_eq!(
            check(&path("lb > cas1"), &both),
            Err("the way lb > cas1|gateway > lb > cas1; gateway > lb > cas2".into())
        );
        assert!(check(&path("lb"), &journey(vec![])).is_err());
        assert!(check(&Expectation::Never(vec![glob("cas2")]), &both).is_err());
        assert_eq!(check(&Expectation::Never(vec![glob("dc*")]), &both), Ok(()));
    }

    #[test]
    fn a_verdict_has_a_node_a_rule_and_a_direction() {
        let one = journey(vec![flow(&["gateway", "lb"], vec![])]);
        let decided = |dropped, at: &str, by: Option<&str>| Expectation::Decided {
            dropped,
            at: glob(at),
            by: by.map(str::to_owned),
        };
        assert_eq!(check(&decided(false, "gateway", Some("P7")), &one), Ok(()));
        assert_eq!(check(&decided(false, "gate*", None), &one), Ok(()));
        assert!(check(&decided(false, "gateway", Some("P6")), &one).is_err());
        assert!(check(&decided(false, "core", Some("P7")), &one).is_err());
        assert_eq!(
            check(&decided(true, "gateway", Some("P7")), &one),
            Err("it is dropped at gateway by P7|permitted at gateway by P7".into())
        );
    }

    #[test]
    fn a_refused_login_is_none() {
        let login = |verified| {
            journey(vec![flow(
                &["lb"],
                vec![did(
                    1,
                    Deed::Login {
                        method: "basic".into(),
                        principal: "alice".into(),
                        verified,
                        proof: String::new(),
                    },
                )],
            )])
        };
        let wanted = Expectation::Authenticated {
            method: Some("basic".into()),
            principal: Some("alice".into()),
            at: Some(glob("lb")),
        };
        assert_eq!(check(&wanted, &login(true)), Ok(()));
        assert_eq!(
            check(&wanted, &login(false)),
            Err("a login of alice by basic at lb|lb refused alice by basic".into())
        );
    }

    #[test]
    fn shares_are_of_the_requests_that_came_by_a_member() {
        let three = journey(vec![
            flow(&["lb", "cas1"], vec![]),
            flow(&["lb", "cas2"], vec![]),
            flow(&["lb", "cas1"], vec![]),
        ]);
        let balance = |members, least: u32, most: u32| Expectation::Balance {
            among: glob("cas*"),
            members: Some(members),
            least: Some(least * 10_000),
            most: Some(most * 10_000),
        };
        assert_eq!(check(&balance(2, 30, 70), &three), Ok(()));
        assert!(check(&balance(2, 40, 70), &three).is_err());
        assert!(check(&balance(2, 30, 60), &three).is_err());
        assert!(check(&balance(3, 0, 100), &three).is_err());
        assert!(check(&balance(0, 0, 100), &journey(vec![])).is_err());
    }

    #[test]
    fn order_is_that_of_time() {
        let chose = Deed::Chose {
            pool: "exchange".into(),
            member: "cas1".into(),
            reason: "round robin".into(),
            healthy: 2,
            members: 2,
        };
        let tls = Deed::Tls {
            name: Some("mail".into()),
            version: "TLS 1.3".into(),
            client: None,
        };
        let one = journey(vec![flow(&["lb"], vec![did(20, chose), did(10, tls)])]);
        let order = |texts: &[&str]| {
            Expectation::Order(texts.iter().map(|text| (*text).to_owned()).collect())
        };
        assert_eq!(
            check(&order(&["lb: ended TLS", "chose cas1"]), &one),
            Ok(())
        );
        assert!(check(&order(&["chose cas1", "lb: ended TLS"]), &one).is_err());
    }

    #[test]
    fn what_happened_is_said_by_a_text_or_by_a_node_and_a_text() {
        let line = "cas2: ended TLS 1.3 for mail.example";
        for fits in [
            "ended TLS",
            "cas*: ended TLS",
            "cas2: ended",
            "cas2",
            "cas{1,2}: mail.example",
        ] {
            assert!(super::happened_so(line, fits), "{fits}");
        }
        for not in [
            "lb: ended TLS",
            "as2: ended",
            "cas*: asked",
            "mail.example: ended TLS",
        ] {
            assert!(!super::happened_so(line, not), "{not}");
        }
        // A text with a colon that names no node.
        assert!(super::happened_so(
            "lb: answered GET /: 200",
            "answered GET /: 200"
        ));
    }
}
