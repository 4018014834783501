//! Words for what explanations show.

use lab_core::predict::{Back, End, Nearest, Verdict, Way};

/// How a way ended, as a sentence.
pub(super) fn ended(way: &Way, end: &End, back: Option<&Back>) -> String {
    let node = way.hops.last().map_or("", |hop| hop.node.as_str());
    match end {
        _ if back.is_some_and(|back| !back.arrives) => {
            format!("it reaches {node}, but the answer does not come back")
        }
        End::Listens {
            process: Some(process),
        } => format!("{process} answers on {node}"),
        End::Listens { process: None } => format!("{node} answers"),
        End::Closed => format!("refused: nobody listens on {node}"),
        End::Unknown => format!("it reaches {node}, whose programs may listen there"),
        End::Dropped | End::Rejected => stopped(way, node),
        End::NotForwarded => format!("dropped at {node}, which is no router"),
        End::NoRoute => format!("unreachable: {node} has no route"),
        End::Nobody { address } => {
            format!("unreachable: nobody answers for {address} when {node} asks")
        }
        End::Circle => format!("unreachable: it goes round, and comes by {node} again"),
    }
}

/// The sentence about what a rule stopped.
fn stopped(way: &Way, node: &str) -> String {
    let verdicts = way.verdicts();
    let Some((_, verdict)) = verdicts.into_iter().rfind(|(_, verdict)| !verdict.passes) else {
        return format!("dropped at {node}");
    };
    let default = match verdict.default {
        true => ", the default",
        false => "",
    };
    let nearest = verdict.nearest.as_ref();
    let nearest = nearest.map(|nearest| format!("; {}", almost(nearest)));
    format!(
        "dropped at {node} {}{default}{}{}",
        by(verdict),
        at_place(verdict.place.as_ref()),
        nearest.unwrap_or_default()
    )
}

/// The rule that would almost have let it pass.
pub fn almost(nearest: &Nearest) -> String {
    format!(
        "nearest rule: {}{}, which needs {}",
        nearest.rule,
        at_place(nearest.place.as_ref()),
        needed(nearest)
    )
}

/// What a rule needs, in words.
fn needed(nearest: &Nearest) -> String {
    let needs = nearest.needs.iter().map(|need| match need.what {
        "inbound" => format!("to come in by {}", need.wanted),
        "outbound" => format!("to go out by {}", need.wanted),
        what => format!("{what} {}", need.wanted),
    });
    needs.collect::<Vec<_>>().join(" and ")
}

/// In brackets, where there is one.
pub(super) fn at_place(place: Option<&String>) -> String {
    place.map_or_else(String::new, |place| format!(" ({place})"))
}

/// What a chain did.
pub(super) fn decided(verdict: &Verdict) -> &'static str {
    match (verdict.passes, verdict.chain) {
        (true, "input") => "lets it in",
        (true, _) => "permitted",
        (false, _) => "dropped",
    }
}

/// The rule that decided, with its note.
pub(super) fn by(verdict: &Verdict) -> String {
    match (&verdict.rule, &verdict.note) {
        (None, _) => "by no rule".into(),
        (Some(rule), Some(note)) => format!("by {rule} \"{note}\""),
        (Some(rule), None) => format!("by {rule}"),
    }
}
