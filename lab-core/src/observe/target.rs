//! Of which links packets are wanted.

use std::collections::BTreeSet;
use std::fmt;

use super::links::Link;
use crate::model::nearest;
use crate::plan::{NodePlan, Plan};

/// What of a link is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// What passes it, both ways.
    Both,
    /// What its node sends: where all links of a segment are watched, each frame once.
    Out,
}

/// Of which links packets are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    all: bool,
    segments: BTreeSet<String>,
    nodes: BTreeSet<String>,
    links: BTreeSet<Link>,
}

/// A target that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownTarget {
    /// A sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Links of the lab.
    Links(Selection),
    /// A node's loopback.
    Loopback(String),
}

impl Target {
    /// Of words: `NODE`, `SEGMENT` (`:SEGMENT` where a node has the same name), `NODE:SEGMENT`, or
    /// `NODE:lo` alone. Without any, the whole lab.
    ///
    /// # Errors
    /// A name is not of this lab; the nearest one is told.
    pub fn read(words: &[String], plan: &Plan) -> Result<Self, UnknownTarget> {
        let mut selection = Selection {
            all: words.is_empty(),
            ..Selection::default()
        };
        for word in words {
            match word.split_once(':') {
                Some(("", segment)) => {
                    find_segment(segment, plan)?;
                    selection.segments.insert(segment.to_owned());
                }
                Some((node, "lo")) => {
                    find_node(node, plan)?;
                    if words.len() > 1 {
                        return Err(UnknownTarget {
                            message: format!(
                                "{word} is captured alone: a loopback is no link of the lab"
                            ),
                            help: None,
                        });
                    }
                    return Ok(Self::Loopback(node.to_owned()));
                }
                Some((node, segment)) => {
                    let known = find_node(node, plan)?;
                    selection.links.insert(find_link(known, segment)?);
                }
                None if plan.nodes.contains_key(word) => {
                    selection.nodes.insert(word.clone());
                }
                None if plan.segments.contains_key(word) => {
                    selection.segments.insert(word.clone());
                }
                None => {
                    let names = plan.nodes.keys().chain(plan.segments.keys());
                    return Err(unknown(
                        format!("there is no node and no segment `{word}` in {}", plan.lab),
                        word,
                        names,
                    ));
                }
            }
        }
        Ok(Self::Links(selection))
    }
}

impl Selection {
    /// What of a link is wanted, if anything.
    pub fn wants(&self, link: &Link) -> Option<Ways> {
        if self.nodes.contains(&link.node) || self.links.contains(link) {
            return Some(Ways::Both);
        }
        (self.all || self.segments.contains(&link.segment)).then_some(Ways::Out)
    }

    /// Whether all of the lab is wanted, each frame once a segment.
    pub fn is_all(&self) -> bool {
        self.all
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Loopback(node) => write!(f, "{node}:lo"),
            Target::Links(selection) if selection.all => f.write_str("the whole lab"),
            Target::Links(selection) => {
                let links = selection.links.iter().map(Link::to_string);
                let words: Vec<String> = selection
                    .nodes
                    .iter()
                    .chain(&selection.segments)
                    .cloned()
                    .chain(links)
                    .collect();
                f.write_str(&words.join(", "))
            }
        }
    }
}

fn find_node<'a>(name: &str, plan: &'a Plan) -> Result<&'a NodePlan, UnknownTarget> {
    plan.nodes.get(name).ok_or_else(|| {
        unknown(
            format!("there is no node `{name}` in {}", plan.lab),
            name,
            plan.nodes.keys(),
        )
    })
}

fn find_segment(name: &str, plan: &Plan) -> Result<(), UnknownTarget> {
    if plan.segments.contains_key(name) {
        return Ok(());
    }
    Err(unknown(
        format!("there is no segment `{name}` in {}", plan.lab),
        name,
        plan.segments.keys(),
    ))
}

fn find_link(node: &NodePlan, segment: &str) -> Result<Link, UnknownTarget> {
    let segments: Vec<&str> = node
        .links
        .iter()
        .map(|link| link.segment.as_str())
        .collect();
    if segments.contains(&segment) {
        return Ok(Link {
            node: node.name.clone(),
            segment: segment.to_owned(),
        });
    }
    Err(UnknownTarget {
        message: format!("{} has no leg on `{segment}`", node.name),
        help: Some(if segments.is_empty() {
            "it has none".into()
        } else {
            format!("it has: {}, lo", segments.join(", "))
        }),
    })
}

fn unknown<'a>(
    message: String,
    word: &str,
    names: impl Iterator<Item = &'a String>,
) -> UnknownTarget {
    let near = nearest(word, names.map(String::as_str));
    UnknownTarget {
        message,
        help: Some(near.map_or_else(
            || "`lab status` lists the nodes, `lab graph` draws the segments".into(),
            |near| format!("did you mean `{near}`?"),
        )),
    }
}
