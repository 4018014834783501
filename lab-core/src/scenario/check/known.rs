//! What a lab has that scenarios may name.

use std::collections::BTreeSet;

use crate::check::{Lab, User};
use crate::model::{Diagnostic, Place, Spanned, nearest};
use crate::plan::Plan;
use crate::scenario::path::Glob;

/// A lab and its plan.
pub struct Known<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// Its plan.
    pub plan: &'a Plan,
}

impl Known<'_> {
    /// A node.
    pub(super) fn node(
        &self,
        name: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let names = self.plan.nodes.keys().map(String::as_str);
        self.one_of("node", name, names, diagnostics)
    }

    /// A user of the directory.
    pub(super) fn user(
        &self,
        name: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let users = self.lab.directory.iter().flat_map(|all| all.users.keys());
        self.one_of("user", name, users.map(String::as_str), diagnostics)
    }

    /// The account of a user that was found.
    pub(super) fn account(&self, name: &str) -> Option<&User> {
        self.lab.directory.as_ref()?.users.get(name)
    }

    /// A rule of a node.
    pub(super) fn rule(
        &self,
        node: &str,
        rule: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let rules = self.rules(node);
        self.one_of(&format!("rule of {node}"), rule, rules, diagnostics)
    }

    /// Ids of the rules of a node.
    pub(super) fn rules(&self, node: &str) -> BTreeSet<&str> {
        let chains = self.plan.nodes.get(node).map(|node| &node.rules.chains);
        chains
            .into_iter()
            .flatten()
            .flat_map(|chain| &chain.rules)
            .map(|rule| rule.id.as_str())
            .collect()
    }

    /// A pool, or the balancer that has it.
    pub(super) fn pool(
        &self,
        name: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let balancers = self.plan.vips.keys().map(String::as_str);
        let first = name.split('/').next().unwrap_or_default().to_owned();
        let asked = Spanned {
            value: first,
            place: name.place.clone(),
        };
        self.one_of("balancer", &asked, balancers, diagnostics)
            .map(|_| name.value.clone())
    }

    /// A member of some pool.
    pub(super) fn member(
        &self,
        name: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let members = self.plan.vips.values().flat_map(|vip| &vip.members);
        let members: BTreeSet<&str> = members.map(String::as_str).collect();
        self.one_of("member of a balancer", name, members, diagnostics)
    }

    /// Nodes that a pattern means: at least one for each alternative.
    pub(super) fn glob(
        &self,
        text: &str,
        place: &Place,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Glob> {
        match Glob::parse(text) {
            Ok(glob) => self.means_nodes(&glob, place, diagnostics).then_some(glob),
            Err(problem) => {
                let message = format!(
                    "`{}` is no pattern of nodes: {problem}.",
                    text.escape_debug()
                );
                diagnostics.push(
                    Diagnostic::error("scenario::bad-pattern", message, place, "this pattern")
                        .help("write a node, `cas*` or `{cas1,cas2}`"),
                );
                None
            }
        }
    }

    /// Whether each alternative of a pattern is some node's name.
    pub(super) fn means_nodes(
        &self,
        glob: &Glob,
        place: &Place,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
        let mut good = true;
        for alternative in glob.alternatives() {
            let found = Glob::parse(alternative)
                .is_ok_and(|one| self.plan.nodes.keys().any(|node| one.matches(node)));
            if !found {
                good = false;
                let names = self.plan.nodes.keys().map(String::as_str);
                let bare = alternative.trim_matches('*');
                let near =
                    nearest(alternative, names.clone()).or_else(|| nearest(bare, names.clone()));
                diagnostics.push(
                    Diagnostic::error(
                        "scenario::unknown-node",
                        format!("No node is called `{alternative}`."),
                        place,
                        "this node",
                    )
                    .help(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => {
                            let names: Vec<&str> = names.collect();
                            format!("there are: {}", names.join(", "))
                        }
                    }),
                );
            }
        }
        good
    }

    fn one_of<'n>(
        &self,
        what: &str,
        name: &Spanned<String>,
        names: impl IntoIterator<Item = &'n str>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let names: Vec<&str> = names.into_iter().collect();
        if names.contains(&name.as_str()) {
            return Some(name.value.clone());
        }
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => format!("the lab has no {what}"),
            None => format!("there are: {}", names.join(", ")),
        };
        diagnostics.push(
            Diagnostic::error(
                "scenario::unknown-name",
                format!("There is no {what} `{}`.", name.escape_debug()),
                &name.place,
                "not in the lab",
            )
            .help(help),
        );
        None
    }
}
