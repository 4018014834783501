//! What must come of a step, and whether it did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regex::Regex;

use super::client::Answer;
use super::path::{Glob, PathPattern};
use super::seen::{Ran, Seen};
use super::way;
use super::wishes::Fails;

/// One thing that must hold.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// Exit status of a program.
    Exit(i32),
    /// Status of an answer: one of these.
    Status(Vec<u16>),
    /// It succeeds: a good exit status or answer.
    Succeeds,
    /// There is no answer.
    Fails(Fails),
    /// A text within what was written or answered.
    Contains(String),
    /// A text that is not.
    Lacks(String),
    /// A pattern within it.
    Matches(Regex),
    /// All of it.
    Equals(String),
    /// A text within what a program wrote to stderr.
    Complains(String),
    /// A pattern within a header field.
    Header(String, Regex),
    /// A value within JSON, by pointer.
    Json(String, String),
    /// A text within the certificate's subject.
    Subject(String),
    /// A text within the certificate's issuer.
    Issuer(String),
    /// A name that the certificate is for.
    CertificateName(String),
    /// The answers of a name server.
    Answers(BTreeSet<String>),
    /// The response code of a name server.
    Code(String),
    /// The way.
    Path(PathPattern),
    /// Nodes that are not on it.
    Never(Vec<Glob>),
    /// A rule that decided: dropped it, or let it pass.
    Decided {
        /// Dropped, not let pass.
        dropped: bool,
        /// The node.
        at: Glob,
        /// The rule.
        by: Option<String>,
    },
    /// A login that was verified.
    Authenticated {
        /// How.
        method: Option<String>,
        /// Who.
        principal: Option<String>,
        /// Where.
        at: Option<Glob>,
    },
    /// How requests were spread.
    Balance {
        /// Over which nodes.
        among: Glob,
        /// How many were chosen.
        members: Option<usize>,
        /// Least share, parts per million.
        least: Option<u32>,
        /// Greatest share.
        most: Option<u32>,
    },
    /// Growth of a rule's counter, in packets: at least so many, or none.
    Counter {
        /// The node.
        node: String,
        /// The rule.
        rule: String,
        /// At least; 0: none.
        packets: u64,
    },
    /// The state of a pool's member.
    Member(String, String),
    /// How long it may take.
    Within(Duration),
    /// What happened, in this order.
    Order(Vec<String>),
}

/// An expectation that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What should have been.
    pub expected: String,
    /// What was.
    pub seen: String,
}

/// Longest stretch of an output that a report shows, in bytes.
const SHOWN: usize = 2000;

impl Expectation {
    /// Whether the way must be known.
    pub fn needs_journey(&self) -> bool {
        matches!(
            self,
            Self::Path(_)
                | Self::Never(_)
                | Self::Decided { .. }
                | Self::Authenticated { .. }
                | Self::Balance { .. }
                | Self::Order(_)
        )
    }

    /// Whether rules' counters must be known.
    pub fn needs_counters(&self) -> bool {
        matches!(self, Self::Counter { .. })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// What should have been and what was.
    pub fn holds(&self, seen: &Seen, routers: &BTreeSet<String>) -> Result<(), Unmet> {
        let unmet = |expected: String, seen: String| Err(Unmet { expected, seen });
        match self {
            Self::Within(limit) if seen.took > *limit => unmet(
                format!("it takes {} at most", time(*limit)),
                format!("it took {}", time(seen.took)),
            ),
            Self::Within(_) => Ok(()),
            Self::Counter {
                node,
                rule,
                packets,
            } => {
                let key = (node.clone(), rule.clone());
                let grown = seen.counters.get(&key).copied().unwrap_or_default();
                let good = if *packets == 0 {
                    grown == 0
                } else {
                    grown >= *packets
                };
                let expected = match packets {
                    0 => format!("{rule} at {node} counts nothing"),
                    1 => format!("{rule} at {node} counts a packet at least"),
                    more => format!("{rule} at {node} counts {more} packets at least"),
                };
                if good {
                    Ok(())
                } else {
                    unmet(expected, format!("it counted {grown}"))
                }
            }
            Self::Member(member, state) => {
                let found: Vec<&str> = seen
                    .pools
                    .values()
                    .filter_map(|members| members.get(member))
                    .map(String::as_str)
                    .collect();
                if !found.is_empty() && found.iter().all(|one| one == state) {
                    return Ok(());
                }
                let found = match found.as_slice() {
                    [] => "no member of that name".to_owned(),
                    found => found.join(", "),
                };
                unmet(format!("{member} is {state}"), found)
            }
            _ if self.needs_journey() => match &seen.journey {
                Some(journey) => way::holds(self, journey, routers),
                None => unmet(
                    "its way is known".into(),
                    "nothing watched the network".into(),
                ),
            },
            _ => match &seen.ran {
                Some(ran) => self.holds_of_program(ran),
                None => seen
                    .answers
                    .iter()
                    .try_for_each(|answer| self.holds_of_answer(answer)),
            },
        }
    }

    fn holds_of_program(&self, ran: &Ran) -> Result<(), Unmet> {
        let output = || shown(&ran.stdout.text, ran.stdout.cut);
        match self {
            Self::Exit(status) if ran.status != *status => Err(Unmet {
                expected: format!("exit status {status}"),
                seen: format!("{}{}", ran.status, said(&ran.stderr.text, ran.stderr.cut)),
            }),
            Self::Succeeds if ran.status != 0 => Err(Unmet {
                expected: "exit status 0".into(),
                seen: format!("{}{}", ran.status, said(&ran.stderr.text, ran.stderr.cut)),
            }),
            Self::Complains(text) if !ran.stderr.text.contains(text.as_str()) => Err(Unmet {
                expected: format!("`{text}` on stderr"),
                seen: shown(&ran.stderr.text, ran.stderr.cut),
            }),
            _ => self.holds_of_text(&ran.stdout.text, "the output", output),
        }
    }

    fn holds_of_answer(&self, answer: &Answer) -> Result<(), Unmet> {
        let unmet = |expected: String, seen: String| Err(Unmet { expected, seen });
        if let Some((why, sentence)) = &answer.failure {
            return match self {
                Self::Fails(Fails::Any) => Ok(()),
                Self::Fails(wanted) if wanted.word() == why => Ok(()),
                Self::Fails(wanted) => unmet(
                    format!("it fails: {}", wanted.word()),
                    format!("{why}: {sentence}"),
                ),
                _ => unmet("an answer".into(), format!("none: {sentence}")),
            };
        }
        let status = || {
            answer
                .status
                .map_or("none".to_owned(), |status| status.to_string())
        };
        let text = || shown(&answer.text, answer.cut);
        match self {
            Self::Fails(wanted) => {
                let expected = match wanted {
                    Fails::Any => "it fails".to_owned(),
                    wanted => format!("it fails: {}", wanted.word()),
                };
                let seen = match (answer.status, &answer.code) {
                    (Some(status), _) => format!("the answer {status}"),
                    (None, Some(code)) => format!("the answer {code}"),
                    (None, None) => "it was connected".to_owned(),
                };
                unmet(expected, seen)
            }
            Self::Status(wanted) if !answer.status.is_some_and(|one| wanted.contains(&one)) => {
                let wanted: Vec<String> = wanted.iter().map(u16::to_string).collect();
                unmet(
                    format!("status {}", wanted.join(" or ")),
                    format!("{}{}", status(), said(&answer.text, answer.cut)),
                )
            }
            Self::Succeeds => match (answer.status, answer.code.as_deref()) {
                (Some(400..), _) => unmet(
                    "a status below 400".into(),
                    format!("{}{}", status(), said(&answer.text, answer.cut)),
                ),
                (_, Some(code)) if code != "NOERROR" => unmet("NOERROR".into(), code.to_owned()),
                _ => Ok(()),
            },
            Self::Code(wanted) if answer.code.as_ref() != Some(wanted) => unmet(
                wanted.clone(),
                answer
                    .code
                    .clone()
                    .unwrap_or_else(|| "no response code".into()),
            ),
            Self::Answers(wanted) => {
                let found: BTreeSet<String> = answer.answers.iter().map(|one| plain(one)).collect();
                if found == *wanted {
                    return Ok(());
                }
                unmet(listed(wanted), listed(&found))
            }
            Self::Header(name, pattern) => {
                let found: Vec<&str> = answer.header(name).collect();
                if found.iter().any(|value| pattern.is_match(value)) {
                    return Ok(());
                }
                let seen = match found.as_slice() {
                    [] => "no such field".to_owned(),
                    found => found.join(", "),
                };
                unmet(
                    format!("`{}` within the header `{name}`", pattern.as_str()),
                    seen,
                )
            }
            Self::Subject(_) | Self::Issuer(_) | Self::CertificateName(_) => {
                let Some(seen) = &answer.certificate else {
                    return unmet("a certificate".into(), "none was shown".into());
                };
                match self {
                    Self::Subject(text) if !seen.subject.contains(text.as_str()) => {
                        unmet(format!("a certificate of `{text}`"), seen.subject.clone())
                    }
                    Self::Issuer(text) if !seen.issuer.contains(text.as_str()) => unmet(
                        format!("a certificate issued by `{text}`"),
                        seen.issuer.clone(),
                    ),
                    Self::CertificateName(name)
                        if !seen.names.iter().any(|one| one.eq_ignore_ascii_case(name)) =>
                    {
                        unmet(format!("a certificate for {name}"), seen.names.join(", "))
                    }
                    _ => Ok(()),
                }
            }
            _ => self.holds_of_text(&answer.text, "the answer", text),
        }
    }

    fn holds_of_text(
        &self,
        text: &str,
        what: &str,
        shown: impl Fn() -> String,
    ) -> Result<(), Unmet> {
        let expected = match self {
            Self::Contains(part) if !text.contains(part.as_str()) => {
                format!("`{part}` within {what}")
            }
            Self::Lacks(part) if text.contains(part.as_str()) => {
                format!("no `{part}` within {what}")
            }
            Self::Matches(pattern) if !pattern.is_match(text) => {
                format!("`{}` matches within {what}", pattern.as_str())
            }
            Self::Equals(all) if text.trim() != all.trim() => format!("`{}`", all.trim()),
            Self::Json(pointer, wanted) => match serde_json::from_str::<serde_json::Value>(text) {
                Err(error) => format!("{what} is JSON ({error})"),
                Ok(value) => {
                    let found = value.pointer(pointer).map(|value| match value {
                        serde_json::Value::String(text) => text.clone(),
                        other => other.to_string(),
                    });
                    match found {
                        Some(found) if found == *wanted => return Ok(()),
                        Some(found) => {
                            return Err(Unmet {
                                expected: format!("`{wanted}` at {pointer}"),
                                seen: found,
                            });
                        }
                        None => format!("`{wanted}` at {pointer}"),
                    }
                }
            },
            _ => return Ok(()),
        };
        Err(Unmet {
            expected,
            seen: shown(),
        })
    }
}

/// An answer as it is compared: names without their last dot, in lower case.
pub fn plain(answer: &str) -> String {
    let words = answer
        .split_whitespace()
        .map(|word| word.trim_end_matches('.'));
    let words: Vec<&str> = words.collect();
    let text = words.join(" ");
    match text.contains('"') {
        true => text.replace('"', ""),
        false => text.to_ascii_lowercase(),
    }
}

fn listed(set: &BTreeSet<String>) -> String {
    match set.len() {
        0 => "no answer".into(),
        _ => set
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// What a report shows of a text.
fn shown(text: &str, cut: bool) -> String {
    let text = text.trim_end();
    if text.is_empty() {
        return "nothing".into();
    }
    let end = text.floor_char_boundary(SHOWN);
    match (end < text.len(), cut) {
        (false, false) => text.to_owned(),
        (true, true) => format!("{}… (more than {} bytes)", &text[..end], text.len()),
        (true, false) => format!("{}… ({} bytes)", &text[..end], text.len()),
        (false, true) => format!("{text}… (cut)"),
    }
}

fn said(text: &str, cut: bool) -> String {
    match text.trim().is_empty() {
        true => String::new(),
        false => format!(", saying: {}", shown(text, cut)),
    }
}

/// A time for people.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

/// States of members by pool.
pub type Pools = BTreeMap<String, BTreeMap<String, String>>;
