//! Which link an interface of the fabric is the end of.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kernel::link_news::News;
use crate::plan::Plan;

/// A node's leg on a segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The node.
    pub node: String,
    /// The segment.
    pub segment: String,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.segment)
    }
}

/// The links of a lab, and the interfaces that are their ends in the fabric. An interface comes
/// and goes with its node, its name stays the same.
#[derive(Clone, Debug, Default)]
pub struct Links {
    by_port: BTreeMap<String, Link>,
    by_index: HashMap<u32, Port>,
    highest: u32,
}

/// An interface of the fabric.
#[derive(Clone, Debug)]
struct Port {
    name: String,
    link: Option<Link>,
}

impl Links {
    /// The links of a plan, with no interface known yet.
    pub fn of(plan: &Plan) -> Self {
        let mut links = Self::default();
        links.replan(plan);
        links
    }

    /// Takes the links of a new plan; the interfaces stay known.
    pub fn replan(&mut self, plan: &Plan) {
        self.by_port = plan
            .nodes
            .values()
            .flat_map(|node| {
                node.links.iter().map(|link| {
                    let found = Link {
                        node: node.name.clone(),
                        segment: link.segment.clone(),
                    };
                    (link.port.clone(), found)
                })
            })
            .collect();
        for port in self.by_index.values_mut() {
            if let Some(link) = self.by_port.get(&port.name) {
                port.link = Some(link.clone());
            }
        }
    }

    /// Takes notice of interfaces that came. Those that went stay known: packets of theirs may
    /// still be on the way, and no number is given twice.
    pub fn learn(&mut self, news: impl IntoIterator<Item = News>) {
        for News { index, name } in news {
            let link = self.by_port.get(&name).cloned();
            self.by_index.insert(index, Port { name, link });
            self.highest = self.highest.max(index);
        }
    }

    /// The link that an interface is the end of.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)?.link.as_ref()
    }

    /// Whether an interface was seen to come.
    pub fn knows(&self, index: u32) -> bool {
        self.by_index.contains_key(&index)
    }

    /// The highest number known: what comes later has a higher one.
    pub fn highest(&self) -> u32 {
        self.highest
    }

    /// Interfaces and their links.
    pub fn ends(&self) -> impl Iterator<Item = (u32, &Link)> {
        self.by_index
            .iter()
            .filter_map(|(index, port)| Some((*index, port.link.as_ref()?)))
    }

    /// All links of the plan.
    pub fn all(&self) -> impl Iterator<Item = &Link> {
        self.by_port.values()
    }
}

#[cfg(test)]
mod tests {
    use super::{Link, Links, News};

    fn news(index: u32, name: &str) -> News {
        News {
            index,
            name: name.into(),
        }
    }

    #[test]
    fn a_link_is_known_again_when_its_node_comes_back() {
        let link = Link {
            node: "web".into(),
            segment: "lan".into(),
        };
        let mut links = Links::default();
        links.by_port.insert("web.1".into(), link.clone());
        links.learn([news(1000, "lan"), news(1_000_000, "web.1")]);
        assert_eq!(links.link(1_000_000), Some(&link));
        assert!(links.knows(1000) && links.link(1000).is_none());
        links.learn([news(1_000_007, "web.1")]);
        assert_eq!(links.link(1_000_007), Some(&link));
        assert_eq!(links.link(1_000_000), Some(&link));
        assert_eq!(links.highest(), 1_000_007);
    }
}
