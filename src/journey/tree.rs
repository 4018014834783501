//! A journey as a tree.

use lab_core::observe::{Decision, Deed, Did, End, Flow, Handling, Hop, Journey, Verdict};

use lab_core::plan::Plan;

use super::nearest::nearest;
use super::{ended, lasting, nobody};
use crate::output::{Colour, Paint};

/// A line of the tree.
struct Line {
    /// How deep; the label's branch is drawn to its left.
    depth: usize,
    /// What kind of step; empty: the step above goes on.
    label: &'static str,
    /// The node.
    node: String,
    /// What happened.
    text: String,
    /// `file:line` behind it.
    place: Option<String>,
    colour: Option<Colour>,
}

/// A journey as a tree of lines. With a `plan` what was dropped is told the rule that would almost have
/// let it pass.
pub fn tree(journey: &Journey, plan: Option<&Plan>, paint: Paint) -> String {
    let mut lines = Lines::new(plan);
    for flow in &journey.flows {
        lines.conversation(flow, 0);
    }
    let mut lines = lines.drawn;
    for silent in &journey.unreached {
        let mut line = Line::new(0, "packet", &silent.node, nobody(silent));
        line.colour = Some(Colour::Red);
        lines.push(line);
    }
    if lines.is_empty() {
        let text = "no packet left it".into();
        lines.push(Line::new(0, "packet", &journey.from, text));
    }
    for gap in &journey.gaps {
        let mut line = Line::new(0, "gap", "", gap.clone());
        line.colour = Some(Colour::Yellow);
        lines.push(line);
    }
    let mut text = format!("{}\n", headline(journey, paint));
    let node_width = |line: &Line| line.node.chars().count();
    let width = lines.iter().map(node_width).max().unwrap_or_default();
    for (index, line) in lines.iter().enumerate() {
        text.push_str(&line.draw(&lines[index + 1..], width, paint));
        text.push('\n');
    }
    text
}

fn headline(journey: &Journey, paint: Paint) -> String {
    let title = format!("{} → {}", journey.from, journey.asked);
    let status = match journey.status {
        Some(0) | None => String::new(),
        Some(status) => format!("exit status {status} "),
    };
    format!(
        "{}  {}",
        paint.bold(&title),
        paint.colour(
            Colour::Grey,
            &format!("{status}in {}", lasting(journey.micros))
        )
    )
}

impl Line {
    fn new(depth: usize, label: &'static str, node: &str, text: String) -> Self {
        Self {
            depth,
            label,
            node: node.to_owned(),
            text,
            place: None,
            colour: None,
        }
    }

    /// `below` are the lines that follow.
    fn draw(&self, below: &[Line], width: usize, paint: Paint) -> String {
        let mut branch = String::new();
        for depth in 0..=self.depth {
            // A step of this depth follows before one further out: its line goes on.
            let goes_on = below
                .iter()
                .filter(|line| !line.label.is_empty())
                .find(|line| line.depth <= depth)
                .is_some_and(|line| line.depth == depth);
            let own = depth == self.depth && !self.label.is_empty();
            branch.push_str(match (own, goes_on) {
                (true, true) => "├ ",
                (true, false) => "└ ",
                (false, true) => "│ ",
                (false, false) => "  ",
            });
        }
        let text = match self.colour {
            Some(colour) => paint.colour(colour, &self.text),
            None => self.text.clone(),
        };
        let place = match &self.place {
            Some(place) => format!("  {}", paint.colour(Colour::Grey, place)),
            None => String::new(),
        };
        let label = paint.colour(Colour::Cyan, self.label);
        let gap = " ".repeat(7_usize.saturating_sub(self.label.len()));
        let line = if self.node.is_empty() {
            format!("{branch}{label}{gap}{text}{place}")
        } else {
            let node = &self.node;
            format!("{branch}{label}{gap}{node:width$}  {text}{place}")
        };
        line.trim_end().to_owned()
    }
}

/// The lines of a tree while it grows.
struct Lines<'p> {
    drawn: Vec<Line>,
    plan: Option<&'p Plan>,
}

impl<'p> Lines<'p> {
    fn new(plan: Option<&'p Plan>) -> Self {
        Self {
            drawn: Vec::new(),
            plan,
        }
    }

    fn conversation(&mut self, flow: &Flow, depth: usize) {
        if flow.asks_a_name() && flow.end == End::Answered && !flow.deeds.is_empty() {
            self.deeds(flow, depth);
            return;
        }
        let headed = Line::new(depth, "packet", "", flow.tuple.to_string());
        self.drawn.push(headed);
        self.steps(&flow.from, &flow.origin, None, depth);
        let count = flow.hops.len();
        for (index, hop) in flow.hops.iter().enumerate() {
            let before = self.drawn.len();
            self.steps(&hop.node, &hop.handling, Some(hop), depth);
            let last = index + 1 == count;
            if self.drawn.len() == before && !last {
                let passed = Line::new(depth, "", &hop.node, "passes it on".into());
                self.drawn.push(passed);
            }
        }
        let node = flow.last().map_or(flow.from.as_str(), |hop| &hop.node);
        // The rule that dropped it has been named, if it was seen.
        let dropped = |line: &Line| line.colour == Some(Colour::Red);
        if flow.end == End::Dropped && self.drawn.last().is_some_and(dropped) {
            return;
        }
        let mut line = Line::new(depth, "", node, how_it_ended(flow));
        line.colour = Some(match flow.end {
            End::Answered => Colour::Green,
            _ => Colour::Red,
        });
        self.drawn.push(line);
        self.deeds(flow, depth);
    }

    /// What the service at the end did, and the conversations that it began for it.
    fn deeds(&mut self, flow: &Flow, depth: usize) {
        for did in &flow.deeds {
            self.drawn.push(deed(flow, did, depth));
            if let Some(flow) = &did.flow {
                self.conversation(flow, depth + 1);
            }
        }
    }

    /// What a node's kernel did with it; `hop`: how it came there.
    fn steps(&mut self, node: &str, handling: &Handling, hop: Option<&Hop>, depth: usize) {
        if let Some(translated) = &handling.translated {
            let from_rule = match (&translated.rule, &translated.member) {
                (Some(rule), Some(member)) => match &translated.reason {
                    Some(reason) => format!(", {member} chosen by {rule}: {reason}"),
                    None => format!(", {member} chosen by {rule}"),
                },
                (None, Some(member)) => format!(", {member}"),
                (Some(rule), None) => format!(" by {rule}"),
                (None, None) => String::new(),
            };
            let text = format!("it becomes {}{from_rule}", translated.to);
            let mut line = Line::new(depth, "", node, text);
            line.place.clone_from(&translated.place);
            self.drawn.push(line);
        }
        for verdict in &handling.verdicts {
            let mut line = Line::new(depth, "", node, decided(verdict));
            line.place.clone_from(&verdict.place);
            if verdict.decision == Decision::Drop {
                line.colour = Some(Colour::Red);
                let almost =
                    (self.plan.zip(hop)).and_then(|(plan, hop)| nearest(plan, hop, verdict));
                if let Some(almost) = almost {
                    line.text = format!("{}; {almost}", line.text);
                }
            }
            self.drawn.push(line);
        }
    }
}

fn how_it_ended(flow: &Flow) -> String {
    match (&flow.end, flow.hops.is_empty()) {
        (End::Lost { segment: None }, true) => "did not send it".into(),
        (end, _) => ended(end),
    }
}

fn decided(verdict: &Verdict) -> String {
    let what = match verdict.decision {
        Decision::Accept => "permitted by",
        Decision::Drop => "dropped by",
    };
    match &verdict.note {
        Some(note) => format!("{what} {} \"{note}\"", verdict.rule),
        None => format!("{what} {}", verdict.rule),
    }
}

fn deed(flow: &Flow, did: &Did, depth: usize) -> Line {
    let node = flow.last().map_or(flow.from.as_str(), |hop| &hop.node);
    let (label, text) = match &did.deed {
        Deed::Answered {
            name,
            kind,
            view,
            code,
            answers,
        } => {
            let answer = if answers.is_empty() && code == "NOERROR" {
                "no such record".into()
            } else if answers.is_empty() {
                code.clone()
            } else {
                answers.join(", ")
            };
            let view = match view {
                Some(view) => format!(", in the view {view}"),
                None => String::new(),
            };
            ("name", format!("{name} {kind} → {answer}{view}"))
        }
        Deed::Tls {
            name,
            version,
            client,
        } => {
            let name = match name {
                Some(name) => format!(" for {name}"),
                None => String::new(),
            };
            let client = match client {
                Some(client) => format!(", the client is {client}"),
                None => String::new(),
            };
            ("tls", format!("ends {version}{name}{client}"))
        }
        Deed::TlsFailed { reason } => ("tls", format!("the handshake failed: {reason}")),
        Deed::Login {
            method,
            principal,
            verified,
            proof,
        } => {
            let verdict = if *verified { "verified" } else { "refused" };
            (
                "login",
                format!("{method}, {principal}, {verdict}: {proof}"),
            )
        }
        Deed::Chose {
            pool,
            member,
            reason,
            healthy,
            members,
        } => (
            "choice",
            format!("{member} of {pool}: {reason}, {healthy} of {members} healthy"),
        ),
        Deed::Onward {
            to,
            asked,
            answer,
            micros,
            kept,
            ..
        } => {
            let kept = if *kept { ", on a kept connection" } else { "" };
            (
                "onward",
                format!(
                    "asks {to}: {asked} → {answer} in {}{kept}",
                    lasting(*micros)
                ),
            )
        }
        Deed::Check { of } => ("check", format!("asks after the health of {of}")),
        Deed::Served {
            asked,
            host,
            answer,
            micros,
        } => {
            let host = match host {
                Some(host) => format!(" of {host}"),
                None => String::new(),
            };
            (
                "served",
                format!("{asked}{host} → {answer} in {}", lasting(*micros)),
            )
        }
    };
    let mut line = Line::new(depth, label, node, text);
    let bad = match &did.deed {
        Deed::TlsFailed { .. } => true,
        Deed::Login { verified, .. } => !verified,
        _ => false,
    };
    if bad {
        line.colour = Some(Colour::Red);
    }
    line
}
