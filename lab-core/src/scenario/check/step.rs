//! What is done.

use std::time::Duration;

use crate::model::{Diagnostic, Place};
use crate::scenario::checked::{Action, Kind, Step};
use crate::scenario::expectation::Expectation;
use crate::scenario::file::Step as Written;

use super::{Setting, ask, fault, wish};

/// Most times that a step asks.
const MOST_TIMES: u64 = 1000;
/// Longest that a step may take, or wait.
const LONGEST: Duration = Duration::from_secs(3600);

/// Steps in order.
pub(super) fn steps(
    written: &[Written],
    setting: &Setting<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Step> {
    written
        .iter()
        .filter_map(|step| one(step, false, setting, diagnostics))
        .collect()
}

fn one(
    step: &Written,
    meanwhile: bool,
    setting: &Setting<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Step> {
    let kind = kind(step, diagnostics)?;
    let before = diagnostics.len();
    misplaced(step, kind, meanwhile, diagnostics);
    let from = match (&step.from, kind.starts_from_a_node()) {
        (Some(node), _) => setting.known.node(node, diagnostics),
        (None, false) => None,
        (None, true) if setting.from.is_none() => {
            diagnostics.push(
                Diagnostic::error(
                    "scenario::no-node",
                    format!("From which node `{}` is done is not said.", kind.key()),
                    &at(step, kind),
                    "this step",
                )
                .help("add `from: NODE` to the step, or to the scenario for all of its steps"),
            );
            None
        }
        (None, true) => setting.from.clone(),
    };
    let user = match &step.user {
        // Its password is at hand: a server may know somebody whom the directory does not.
        Some(user) if step.password.is_some() => Some(user.value.clone()),
        Some(user) => setting.known.user(user, diagnostics),
        None => setting.user.clone(),
    };
    let done = action(step, kind, user.as_deref(), setting, diagnostics);
    let expectations = wish::wishes(step.expect.as_ref(), kind, setting.known, diagnostics);
    let times = step.times.as_ref().map_or(1, |times| times.value);
    if !(1..=MOST_TIMES).contains(&times) {
        out_of_range(
            &at(step, kind),
            "`times` is a number from 1 to 1000",
            diagnostics,
        );
    }
    let limit = step
        .timeout
        .as_ref()
        .map_or(setting.limit, |time| time.value.0);
    let wait = step.wait.as_ref().map(|time| time.value.0);
    if limit.is_zero() || limit > LONGEST || wait.is_some_and(|wait| wait > LONGEST) {
        out_of_range(
            &at(step, kind),
            "a step takes or waits an hour at most",
            diagnostics,
        );
    }
    let inner: Vec<Step> = step
        .meanwhile
        .iter()
        .filter_map(|inner| one(inner, true, setting, diagnostics))
        .collect();
    let (action, said) = done.filter(|_| diagnostics.len() == before)?;
    let who = match (&from, kind) {
        (Some(node), _) => format!("{node}: "),
        (None, _) => String::new(),
    };
    Some(Step {
        place: at(step, kind),
        said: match &step.name {
            Some(name) => name.clone(),
            None => format!("{who}{said}"),
        },
        from,
        action,
        expectations,
        times: u32::try_from(times).unwrap_or(1),
        wait,
        limit,
        meanwhile: inner,
        outage: step
            .outage
            .as_ref()
            .map_or(Duration::ZERO, |time| time.value.0),
    })
}

fn action(
    step: &Written,
    kind: Kind,
    user: Option<&str>,
    setting: &Setting<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Action, String)> {
    match kind {
        Kind::Run => {
            let command = step.run.as_ref()?;
            let said = match &command.line {
                Some(line) => line.lines().next().unwrap_or_default().to_owned(),
                None => command.argv.join(" "),
            };
            Some((Action::Run(command.argv.clone()), said))
        }
        Kind::Pool => {
            let pool = setting.known.pool(step.pool.as_ref()?, diagnostics)?;
            let said = format!("pool {pool}");
            Some((Action::Pool(pool), said))
        }
        Kind::Fault => {
            let text = step.fault.as_ref()?;
            let fault = fault::fault(text, setting.known, diagnostics)?;
            Some((Action::Fault(fault), format!("fault {}", text.value)))
        }
        Kind::Heal => {
            let text = step.heal.as_ref()?;
            let said = format!("heal {}", text.value);
            if text.value == "all" {
                return Some((Action::Heal(None), said));
            }
            let fault = fault::fault(text, setting.known, diagnostics)?;
            Some((Action::Heal(Some(fault)), said))
        }
        _ => {
            let (ask, said) = ask::ask(kind, step, user, setting, diagnostics)?;
            Some((Action::Ask(ask), said))
        }
    }
}

/// The kinds that a step names, with the place of each.
fn kinds(step: &Written) -> Vec<(Kind, Place)> {
    let text =
        |text: &Option<crate::model::Spanned<String>>| text.as_ref().map(|t| t.place.clone());
    [
        (Kind::Run, step.run.as_ref().map(|_| step.place.clone())),
        (Kind::Http, text(&step.http).or(text(&step.browse))),
        (Kind::Dns, text(&step.dns)),
        (Kind::Tcp, text(&step.tcp)),
        (Kind::Udp, text(&step.udp)),
        (Kind::Smtp, text(&step.smtp)),
        (Kind::Pool, text(&step.pool)),
        (Kind::Fault, text(&step.fault)),
        (Kind::Heal, text(&step.heal)),
    ]
    .into_iter()
    .filter_map(|(kind, place)| Some((kind, place?)))
    .collect()
}

fn kind(step: &Written, diagnostics: &mut Vec<Diagnostic>) -> Option<Kind> {
    const ALL: &str =
        "`run`, `http`, `browse`, `dns`, `tcp`, `udp`, `smtp`, `pool`, `fault` and `heal`";
    match kinds(step).as_slice() {
        [(kind, _)] => Some(*kind),
        [] => {
            // A misspelt key, or a wrong value, was reported already.
            let said = diagnostics.iter().any(|one| {
                one.labels.first().is_some_and(|(place, _)| {
                    let inside = step.place.offset..=step.place.offset + step.place.len;
                    place.file == step.place.file && inside.contains(&place.offset)
                })
            });
            if !said {
                diagnostics.push(
                    Diagnostic::error(
                        "scenario::does-nothing",
                        "The step does nothing.",
                        &first_of(&step.place),
                        "this step",
                    )
                    .help(format!("it has one of {ALL}")),
                );
            }
            None
        }
        several => {
            let mut problem = Diagnostic::error(
                "scenario::does-several",
                "The step does several things.",
                &several[0].1,
                format!("`{}`", several[0].0.key()),
            );
            for (kind, place) in &several[1..] {
                problem = problem.also(place, format!("`{}`", kind.key()));
            }
            diagnostics.push(problem.help("make a step of each"));
            None
        }
    }
}

/// Keys that mean nothing for this kind of step.
fn misplaced(step: &Written, kind: Kind, meanwhile: bool, diagnostics: &mut Vec<Diagnostic>) {
    let text =
        |text: &Option<crate::model::Spanned<String>>| text.as_ref().map(|t| t.place.clone());
    let here = || Some(first_of(&step.place));
    let asks = kind.starts_from_a_node();
    let keys: [(&str, &str, bool, Option<Place>); 19] = [
        ("method", "http", kind == Kind::Http, text(&step.method)),
        (
            "headers",
            "http",
            kind == Kind::Http,
            step.headers.first().map(|(key, _)| key.place.clone()),
        ),
        (
            "body",
            "http and udp",
            matches!(kind, Kind::Http | Kind::Udp),
            text(&step.body),
        ),
        (
            "login",
            "http",
            kind == Kind::Http,
            step.login.as_ref().map(|login| login.place.clone()),
        ),
        (
            "password",
            "a step that logs in",
            kind == Kind::Http && step.login.is_some(),
            text(&step.password),
        ),
        ("connect", "http", kind == Kind::Http, text(&step.connect)),
        ("type", "dns", kind == Kind::Dns, text(&step.kind)),
        ("server", "dns", kind == Kind::Dns, text(&step.server)),
        ("over", "dns", kind == Kind::Dns, text(&step.over)),
        (
            "mail-from",
            "smtp",
            kind == Kind::Smtp,
            text(&step.mail_from),
        ),
        (
            "rcpt-to",
            "smtp",
            kind == Kind::Smtp,
            step.rcpt_to.first().map(|to| to.place.clone()),
        ),
        ("data", "smtp", kind == Kind::Smtp, text(&step.data)),
        (
            "starttls",
            "smtp",
            kind == Kind::Smtp,
            step.starttls.and_then(|_| here()),
        ),
        ("from", "what starts from a node", asks, text(&step.from)),
        (
            "times",
            "http, dns, tcp, udp and smtp",
            asks && kind != Kind::Run,
            step.times.as_ref().map(|t| t.place.clone()),
        ),
        (
            "meanwhile",
            "fault",
            kind == Kind::Fault && !meanwhile,
            step.meanwhile.first().map(|s| first_of(&s.place)),
        ),
        (
            "outage",
            "the steps of `meanwhile`",
            meanwhile,
            step.outage.as_ref().map(|t| t.place.clone()),
        ),
        (
            "wait",
            "a step of its own",
            !meanwhile,
            step.wait.as_ref().map(|t| t.place.clone()),
        ),
        (
            "fault",
            "a step of its own",
            !(meanwhile && matches!(kind, Kind::Fault | Kind::Heal)),
            here(),
        ),
    ];
    for (key, whose, fits, place) in keys {
        if let (false, Some(place)) = (fits, place) {
            diagnostics.push(Diagnostic::error(
                "scenario::misplaced-key",
                format!("`{key}` belongs to {whose}."),
                &place,
                format!(
                    "in a step that is `{}`{}",
                    kind.key(),
                    if meanwhile { " in `meanwhile`" } else { "" }
                ),
            ));
        }
    }
    let watched =
        |wish: &crate::scenario::wishes::Wishes| wish.path.is_some() || wish.balance.is_some();
    if meanwhile && step.expect.as_ref().is_some_and(watched) {
        diagnostics.push(
            Diagnostic::error(
                "scenario::misplaced-key",
                "The way of what goes on meanwhile can't be told from that of other steps.",
                &first_of(&step.place),
                "this step",
            )
            .help("expect the way of a step that follows"),
        );
    }
}

fn out_of_range(place: &Place, what: &str, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.push(Diagnostic::error(
        "scenario::out-of-range",
        format!("{what}."),
        place,
        "this step",
    ));
}

/// Where the step says what it does.
fn at(step: &Written, kind: Kind) -> Place {
    kinds(step)
        .into_iter()
        .find(|(one, _)| *one == kind)
        .map_or_else(|| first_of(&step.place), |(_, place)| first_of(&place))
}

/// A place cut to its beginning.
fn first_of(place: &Place) -> Place {
    Place {
        len: place.len.min(1),
        ..place.clone()
    }
}

/// What a step without a wish of that kind must do all the same.
pub(super) fn implied(
    kind: Kind,
    written: &[(Expectation, Place)],
    place: &Place,
) -> Option<(Expectation, Place)> {
    let decided = written.iter().any(|(one, _)| {
        matches!(
            one,
            Expectation::Exit(_)
                | Expectation::Status(_)
                | Expectation::Fails(_)
                | Expectation::Code(_)
        ) || matches!(one, Expectation::Decided { dropped: true, .. })
            || matches!(one, Expectation::Answers(answers) if answers.is_empty())
    });
    (kind.starts_from_a_node() && !decided).then(|| (Expectation::Succeeds, place.clone()))
}
