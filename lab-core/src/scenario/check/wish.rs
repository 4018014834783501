//! What must come of a step.

use regex::RegexBuilder;

use crate::model::{Diagnostic, Place, Spanned};
use crate::scenario::checked::Kind;
use crate::scenario::expectation::{Expectation, plain};
use crate::scenario::path::PathPattern;
use crate::scenario::wishes::{Decided, Wishes};

use super::step::implied;
use super::{Known, belonging};

/// Largest pattern once it is compiled, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;
/// States of a pool's member.
const STATES: &[&str] = &["healthy", "down", "drained"];

type All = Vec<(Expectation, Place)>;

/// Expectations in order of what they are about; that it succeeds is one where nothing else is
/// said.
pub(super) fn wishes(
    wishes: Option<&Wishes>,
    kind: Kind,
    known: &Known<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> All {
    let mut all = All::new();
    if let Some(wishes) = wishes {
        belonging::misplaced(wishes, kind, diagnostics);
        of_answer(wishes, &mut all, diagnostics);
        of_text(wishes, &mut all, diagnostics);
        of_way(wishes, known, &mut all, diagnostics);
        of_lab(wishes, kind, known, &mut all, diagnostics);
    }
    let place = wishes
        .map(|wishes| wishes.place.clone())
        .unwrap_or_default();
    if let Some(implied) = implied(kind, &all, &place) {
        all.insert(0, implied);
    }
    all
}

fn of_answer(wishes: &Wishes, all: &mut All, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(exit) = &wishes.exit {
        all.push((Expectation::Exit(i32::from(exit.value)), exit.place.clone()));
    }
    if let Some(first) = wishes.status.first() {
        let mut codes = Vec::new();
        for status in wishes.status.iter() {
            match u16::try_from(status.value) {
                Ok(code) if (100..=599).contains(&code) => codes.push(code),
                _ => diagnostics.push(Diagnostic::error(
                    "scenario::bad-value",
                    format!("{} is no status.", status.value),
                    &status.place,
                    "from 100 to 599",
                )),
            }
        }
        all.push((Expectation::Status(codes), first.place.clone()));
    }
    if let Some(fails) = &wishes.fails {
        all.push((Expectation::Fails(fails.value), fails.place.clone()));
    }
    if let Some(code) = &wishes.code {
        all.push((
            Expectation::Code(code.to_ascii_uppercase()),
            code.place.clone(),
        ));
    }
    if let Some(answers) = &wishes.answers {
        let set = answers.0.iter().map(|answer| plain(answer)).collect();
        all.push((Expectation::Answers(set), wishes.place.clone()));
    }
    if let Some(certificate) = &wishes.certificate {
        if let Some(text) = &certificate.subject {
            all.push((Expectation::Subject(text.value.clone()), text.place.clone()));
        }
        if let Some(text) = &certificate.issuer {
            all.push((Expectation::Issuer(text.value.clone()), text.place.clone()));
        }
        for name in certificate.names.iter() {
            all.push((
                Expectation::CertificateName(name.value.clone()),
                name.place.clone(),
            ));
        }
    }
    for (name, pattern) in wishes.header.iter() {
        if let Some(regex) = pattern_of(pattern, diagnostics) {
            all.push((
                Expectation::Header(name.value.clone(), regex),
                pattern.place.clone(),
            ));
        }
    }
}

fn of_text(wishes: &Wishes, all: &mut All, diagnostics: &mut Vec<Diagnostic>) {
    for text in wishes.contains.iter() {
        all.push((
            Expectation::Contains(text.value.clone()),
            text.place.clone(),
        ));
    }
    for text in wishes.lacks.iter() {
        all.push((Expectation::Lacks(text.value.clone()), text.place.clone()));
    }
    for text in wishes.matches.iter() {
        if let Some(regex) = pattern_of(text, diagnostics) {
            all.push((Expectation::Matches(regex), text.place.clone()));
        }
    }
    if let Some(text) = &wishes.equals {
        all.push((Expectation::Equals(text.value.clone()), text.place.clone()));
    }
    for text in wishes.complains.iter() {
        all.push((
            Expectation::Complains(text.value.clone()),
            text.place.clone(),
        ));
    }
    for (pointer, value) in wishes.json.iter() {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            diagnostics.push(
                Diagnostic::error(
                    "scenario::bad-value",
                    format!("`{}` is no JSON pointer.", pointer.escape_debug()),
                    &pointer.place,
                    "this pointer",
                )
                .help("it begins with `/`, like `/nodes/0/name` (RFC 6901)"),
            );
        }
        all.push((
            Expectation::Json(pointer.value.clone(), value.value.clone()),
            value.place.clone(),
        ));
    }
    if let Some(within) = &wishes.within {
        all.push((Expectation::Within(within.value.0), within.place.clone()));
    }
}

fn of_way(wishes: &Wishes, known: &Known<'_>, all: &mut All, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(path) = &wishes.path {
        match PathPattern::parse(path) {
            Ok(pattern) => {
                let mut good = true;
                for glob in pattern.globs() {
                    good &= known.means_nodes(glob, &path.place, diagnostics);
                }
                if good {
                    all.push((Expectation::Path(pattern), path.place.clone()));
                }
            }
            Err(problem) => diagnostics.push(
                Diagnostic::error(
                    "scenario::bad-pattern",
                    format!("`{}` is no way: {problem}.", path.escape_debug()),
                    &path.place,
                    "this way",
                )
                .help("write nodes with `>` between: `gateway > lb > cas* > ...`"),
            ),
        }
    }
    if let Some(first) = wishes.never.first() {
        let globs: Vec<_> = wishes
            .never
            .iter()
            .filter_map(|one| known.glob(one, &one.place, diagnostics))
            .collect();
        all.push((Expectation::Never(globs), first.place.clone()));
    }
    let dropped = wishes.dropped.iter().map(|one| (true, one));
    let permitted = wishes.permitted.iter().map(|one| (false, one));
    for (dropped, one) in dropped.chain(permitted) {
        all.extend(decided(dropped, one, known, diagnostics));
    }
    if let Some(wish) = &wishes.authenticated {
        let at = wish
            .at
            .as_ref()
            .and_then(|at| known.glob(at, &at.place, diagnostics));
        let principal = wish.principal.as_ref();
        all.push((
            Expectation::Authenticated {
                method: wish.method.as_ref().map(|method| method.value.clone()),
                principal: principal.map(|principal| principal.value.clone()),
                at,
            },
            wish.place.clone(),
        ));
    }
    if let Some(balance) = &wishes.balance
        && let Some(among) = known.glob(&balance.among, &balance.among.place, diagnostics)
    {
        all.push((
            Expectation::Balance {
                among,
                members: balance
                    .members
                    .as_ref()
                    .map(|members| usize::try_from(members.value).unwrap_or(usize::MAX)),
                least: balance.least.map(|share| share.0),
                most: balance.most.map(|share| share.0),
            },
            balance.place.clone(),
        ));
    }
    if let Some(first) = wishes.order.first() {
        let texts = wishes.order.iter().map(|text| text.value.clone()).collect();
        all.push((Expectation::Order(texts), first.place.clone()));
    }
}

fn decided(
    dropped: bool,
    one: &Decided,
    known: &Known<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Expectation, Place)> {
    let at = known.glob(&one.at, &one.at.place, diagnostics)?;
    let by = match &one.by {
        None => None,
        Some(rule) => {
            let nodes = known.plan.nodes.keys().filter(|node| at.matches(node));
            let holders: Vec<&String> = nodes.collect();
            let has = holders
                .iter()
                .any(|node| known.rules(node).contains(rule.as_str()));
            match (has, holders.first()) {
                (false, Some(node)) => {
                    known.rule(node, rule, diagnostics)?;
                    None
                }
                _ => Some(rule.value.clone()),
            }
        }
    };
    Some((Expectation::Decided { dropped, at, by }, one.place.clone()))
}

fn of_lab(
    wishes: &Wishes,
    kind: Kind,
    known: &Known<'_>,
    all: &mut All,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (node, rules) in wishes.counters.iter() {
        if known.node(node, diagnostics).is_none() {
            continue;
        }
        for (rule, packets) in rules.iter() {
            if known.rule(node, rule, diagnostics).is_some() {
                all.push((
                    Expectation::Counter {
                        node: node.value.clone(),
                        rule: rule.value.clone(),
                        packets: packets.value,
                    },
                    packets.place.clone(),
                ));
            }
        }
    }
    for (member, state) in wishes.members.iter() {
        known.member(member, diagnostics);
        if !STATES.contains(&state.as_str()) {
            diagnostics.push(
                Diagnostic::error(
                    "scenario::bad-value",
                    format!("`{}` is no state of a member.", state.escape_debug()),
                    &state.place,
                    "this state",
                )
                .help(format!("there are: {}", STATES.join(", "))),
            );
        }
        let value = Expectation::Member(member.value.clone(), state.value.clone());
        all.push((value, state.place.clone()));
    }
    if kind == Kind::Pool && wishes.members.is_empty() {
        diagnostics.push(
            Diagnostic::error(
                "scenario::no-expectation",
                "What the pool's members should be is not said.",
                &wishes.place,
                "no `members`",
            )
            .help("add `members: { MEMBER: down }`"),
        );
    }
}

fn pattern_of(text: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<regex::Regex> {
    match RegexBuilder::new(text)
        .multi_line(true)
        .size_limit(LARGEST_PATTERN)
        .build()
    {
        Ok(regex) => Some(regex),
        Err(error) => {
            // The last line says what is wrong; those before it draw the pattern.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ").trim_end_matches('.');
            diagnostics.push(
                Diagnostic::error(
                    "scenario::bad-pattern",
                    format!(
                        "`{}` is no regular expression: {reason}.",
                        text.escape_debug()
                    ),
                    &text.place,
                    "this pattern",
                )
                .help("a sign that is meant as itself has a `\\` before it: `\\.`"),
            );
            None
        }
    }
}
