//! From a word in the file to the thing it names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::lab::{AddressPool, Lab, Node, Segment};
use super::literal::host;
use crate::model::{Diagnostic, Spanned, Tree, Value, nearest};

/// Names that the file defines, readable or not: what could not be read is no unknown name.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) segments: BTreeSet<String>,
    pub(super) pools: BTreeSet<String>,
    pub(super) nodes: BTreeSet<String>,
    pub(super) acls: BTreeSet<String>,
    pub(super) views: BTreeSet<String>,
    pub(super) balancers: BTreeSet<String>,
}

impl Declared {
    /// The names in a file's tree.
    pub(super) fn of(tree: &Tree) -> Self {
        let keys = |tree: Option<&Tree>| match tree.map(|tree| &tree.value) {
            Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key.value.clone()).collect(),
            _ => BTreeSet::new(),
        };
        Self {
            segments: keys(tree.get("segments")),
            pools: keys(tree.get("pools")),
            nodes: keys(tree.get("nodes")),
            acls: keys(tree.get("acls")),
            views: keys(tree.get("dns").and_then(|dns| dns.get("views"))),
            balancers: keys(tree.get("balancers")),
        }
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Segment => self.segments.contains(name),
            Kind::Pool => self.pools.contains(name),
            Kind::Node => {
                let group = name.trim_end_matches(|c: char| c.is_ascii_digit());
                self.nodes.contains(name) || self.nodes.contains(group)
            }
            Kind::Balancer => self.balancers.contains(name),
        }
    }
}

/// What a word may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Segment,
    Pool,
    Node,
    Balancer,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Pool => "pool",
            Self::Node => "node",
            Self::Balancer => "balancer",
        }
    }

    fn unknown(self) -> &'static str {
        match self {
            Self::Segment => "lab::unknown-segment",
            Self::Pool => "lab::unknown-pool",
            Self::Node => "lab::unknown-node",
            Self::Balancer => "lab::unknown-balancer",
        }
    }
}

/// What a word names.
pub(super) enum Thing<'a> {
    /// An address or a prefix, written out.
    Literal(IpNet),
    Segment(&'a Segment),
    Pool(&'a AddressPool),
    /// A node, or all of a group.
    Nodes(Vec<&'a Node>),
    /// A named address of a node.
    Label(&'a Node, IpAddr),
    /// A balancer, by its VIPs.
    Balancer(&'a str, &'a [IpAddr]),
}

/// The lab so far: segments, pools, nodes with their addresses.
pub(super) struct Names<'a> {
    pub(super) lab: &'a Lab,
    pub(super) vips: &'a BTreeMap<String, Vec<IpAddr>>,
    pub(super) declared: &'a Declared,
}

impl<'a> Names<'a> {
    /// What a word names among these kinds.
    pub(super) fn find(
        &self,
        word: &Spanned<String>,
        kinds: &[Kind],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Thing<'a>> {
        if let Ok(address) = word.parse::<IpAddr>() {
            return Some(Thing::Literal(host(address)));
        }
        if word.starts_with('.') {
            diagnostics.push(
                Diagnostic::error(
                    "lab::bad-address",
                    format!(
                        "`{}` could be an address of any segment.",
                        word.escape_debug()
                    ),
                    &word.place,
                    "only its end",
                )
                .help("write the address in full here, or name the node"),
            );
            return None;
        }
        if word.contains('/') {
            return super::segments::prefix(word, diagnostics).map(Thing::Literal);
        }
        if let Some((node, label)) = word.split_once('.')
            && kinds.contains(&Kind::Node)
        {
            return self.label(word, node, label, diagnostics);
        }
        let mut found: Vec<(Kind, Thing<'a>)> = kinds
            .iter()
            .filter_map(|kind| Some((*kind, self.by_kind(*kind, word)?)))
            .collect();
        if let [(first, _), (second, _), ..] = found.as_slice() {
            diagnostics.push(
                Diagnostic::error(
                    "lab::ambiguous-name",
                    format!(
                        "`{}` is the name of a {} and of a {}; both could be meant here.",
                        word.value,
                        first.word(),
                        second.word()
                    ),
                    &word.place,
                    "which one?",
                )
                .help("rename one of the two, or write an address"),
            );
            return None;
        }
        let thing = found.pop().map(|(_, thing)| thing);
        if thing.is_none() && !kinds.iter().any(|kind| self.declared.has(*kind, word)) {
            diagnostics.push(self.unknown(word, kinds));
        }
        thing
    }

    fn by_kind(&self, kind: Kind, word: &str) -> Option<Thing<'a>> {
        match kind {
            Kind::Segment => self.lab.segments.get(word).map(Thing::Segment),
            Kind::Pool => self.lab.address_pools.get(word).map(Thing::Pool),
            Kind::Node => self.members(word).map(Thing::Nodes),
            Kind::Balancer => {
                let (name, vips) = self.vips.get_key_value(word)?;
                Some(Thing::Balancer(name, vips))
            }
        }
    }

    /// A node, or the nodes of a group.
    fn members(&self, word: &str) -> Option<Vec<&'a Node>> {
        if let Some(names) = self.lab.groups.get(word) {
            return Some(
                names
                    .iter()
                    .filter_map(|name| self.lab.nodes.get(name))
                    .collect(),
            );
        }
        self.lab.nodes.get(word).map(|node| vec![node])
    }

    fn label(
        &self,
        word: &Spanned<String>,
        node: &str,
        label: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Thing<'a>> {
        let Some(found) = self.lab.nodes.get(node) else {
            if !self.declared.has(Kind::Node, node) || self.lab.groups.contains_key(node) {
                let near = nearest(node, self.lab.nodes.keys().map(String::as_str));
                diagnostics.push(
                    Diagnostic::error(
                        "lab::unknown-node",
                        format!("No node is called `{node}`, as `{}` needs.", word.value),
                        &word.place,
                        "unknown node",
                    )
                    .help(match near {
                        Some(near) => format!("did you mean `{near}.{label}`?"),
                        None => "a named address is written `node.label`; an address is \
                                 written in full here"
                            .into(),
                    }),
                );
            }
            return None;
        };
        if let Some(address) = found.names.get(label) {
            return Some(Thing::Label(found, *address));
        }
        let near = nearest(label, found.names.keys().map(String::as_str));
        let all: Vec<_> = found.names.keys().map(String::as_str).collect();
        diagnostics.push(
            Diagnostic::error(
                "lab::unknown-label",
                format!("`{node}` has no address named `{label}`."),
                &word.place,
                "unknown label",
            )
            .also(&found.place, "the node")
            .help(match (near, all.is_empty()) {
                (Some(near), _) => format!("did you mean `{node}.{near}`?"),
                (None, false) => format!("its named addresses are {}", all.join(", ")),
                (None, true) => format!("name one: `names: {{ {label}: ADDRESS }}` in `{node}`"),
            }),
        );
        None
    }

    fn unknown(&self, word: &Spanned<String>, kinds: &[Kind]) -> Diagnostic {
        let names = kinds.iter().flat_map(|kind| -> Vec<&str> {
            match kind {
                Kind::Segment => self.lab.segments.keys().map(String::as_str).collect(),
                Kind::Pool => self.lab.address_pools.keys().map(String::as_str).collect(),
                Kind::Node => {
                    let nodes = self.lab.nodes.keys().chain(self.lab.groups.keys());
                    nodes.map(String::as_str).collect()
                }
                Kind::Balancer => self.vips.keys().map(String::as_str).collect(),
            }
        });
        let words: Vec<_> = kinds.iter().map(|kind| kind.word()).collect();
        let words = match words.as_slice() {
            [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        };
        let code = match kinds {
            [kind] => kind.unknown(),
            kinds if kinds.contains(&Kind::Node) => Kind::Node.unknown(),
            _ => "lab::unknown-name",
        };
        Diagnostic::error(
            code,
            format!("No {words} is called `{}`.", word.escape_debug()),
            &word.place,
            "unknown name",
        )
        .help(match nearest(word, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "check the spelling, or define it".into(),
        })
    }

    /// One node, not a group.
    pub(super) fn node(
        &self,
        word: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<&'a Node> {
        if let Some(node) = self.lab.nodes.get(&word.value) {
            return Some(node);
        }
        if let Some(members) = self.lab.groups.get(&word.value) {
            diagnostics.push(
                Diagnostic::error(
                    "lab::one-node",
                    format!(
                        "`{}` stands for {} nodes; one is needed here.",
                        word.value,
                        members.len()
                    ),
                    &word.place,
                    "a group",
                )
                .help(format!("name one of them: {}", members.join(", "))),
            );
        } else if !self.declared.has(Kind::Node, word) {
            diagnostics.push(self.unknown(word, &[Kind::Node]));
        }
        None
    }

    /// A segment.
    pub(super) fn segment(
        &self,
        word: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<&'a Segment> {
        let found = self.lab.segments.get(&word.value);
        if found.is_none() && !self.declared.has(Kind::Segment, word) {
            diagnostics.push(self.unknown(word, &[Kind::Segment]));
        }
        found
    }

    /// Prefixes that words name, for matching packets; `any` among them makes it empty.
    /// `None` if a word could not be resolved.
    pub(super) fn prefixes(
        &self,
        words: &[Spanned<String>],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<IpNet>> {
        let kinds = [Kind::Segment, Kind::Pool, Kind::Node, Kind::Balancer];
        let mut prefixes = Vec::new();
        let (mut any, mut all_found) = (false, true);
        for word in words {
            if word.value == "any" {
                any = true;
                continue;
            }
            match self.find(word, &kinds, diagnostics) {
                None => all_found = false,
                Some(Thing::Literal(prefix)) => prefixes.push(prefix),
                Some(Thing::Segment(segment)) => prefixes.extend(&segment.prefixes),
                Some(Thing::Pool(pool)) => prefixes.push(pool.prefix),
                Some(Thing::Nodes(nodes)) => {
                    prefixes.extend(nodes.iter().flat_map(|node| addresses(node)).map(host));
                }
                Some(Thing::Label(_, address)) => prefixes.push(host(address)),
                Some(Thing::Balancer(_, vips)) => prefixes.extend(vips.iter().copied().map(host)),
            }
        }
        let mut seen = BTreeSet::new();
        prefixes.retain(|prefix| seen.insert(*prefix));
        if any {
            prefixes.clear();
        }
        all_found.then_some(prefixes)
    }

    /// Addresses that words name, for being asked: of a node its primary one.
    pub(super) fn hosts(
        &self,
        words: &[Spanned<String>],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<IpAddr> {
        let mut hosts = Vec::new();
        for word in words {
            match self.find(word, &[Kind::Node, Kind::Balancer], diagnostics) {
                Some(Thing::Literal(prefix)) if prefix.prefix_len() == prefix.max_prefix_len() => {
                    hosts.push(prefix.addr());
                }
                Some(Thing::Literal(_)) => diagnostics.push(Diagnostic::error(
                    "lab::bad-address",
                    format!("`{}` is a prefix; one address is needed here.", word.value),
                    &word.place,
                    "a prefix",
                )),
                Some(Thing::Nodes(nodes)) => {
                    hosts.extend(nodes.iter().filter_map(|node| primary(node)));
                }
                Some(Thing::Label(_, address)) => hosts.push(address),
                Some(Thing::Balancer(_, vips)) => hosts.extend(vips),
                Some(Thing::Segment(_) | Thing::Pool(_)) | None => {}
            }
        }
        hosts
    }
}

/// All addresses of a node.
pub(super) fn addresses(node: &Node) -> impl Iterator<Item = IpAddr> {
    node.attachments
        .iter()
        .flat_map(|leg| leg.addresses.iter().map(IpNet::addr))
}

/// A node's first address.
pub(super) fn primary(node: &Node) -> Option<IpAddr> {
    addresses(node).next()
}
