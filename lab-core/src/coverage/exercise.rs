//! What a run was seen to use.

use super::subject::Subject;
use super::whole::Coverage;
use crate::observe::{Deed, Flow, Handling, Journey, Tuple};
use crate::run::control::Status;

impl Coverage {
    /// Takes what a node began, and the way that it took.
    pub fn saw(&mut self, journey: &Journey) {
        for flow in journey.all_flows() {
            self.flow(flow);
        }
        for gap in &journey.gaps {
            if !self.gaps.contains(gap) {
                self.gaps.push(gap.clone());
            }
        }
    }

    /// Takes that a scenario passed that covers these.
    pub fn proved(&mut self, covers: &[String]) {
        for id in covers {
            self.used(&Subject::Requirement { id: id.clone() });
        }
    }

    /// Takes by how much the counters of rules grew. They count what no conversation shows, too:
    /// questions after health, and packets of connections that were there before.
    pub fn counted(&mut self, before: &Status, after: &Status) {
        for one in &mut self.subjects {
            let Subject::Rule { node, id, .. } = &one.subject else {
                continue;
            };
            let packets = |status: &Status| {
                let count = status.rules.get(node).and_then(|rules| rules.get(id));
                count.map_or(0, |count| count.packets)
            };
            // A node that came back counts from nothing.
            let (was, is) = (packets(before), packets(after));
            let grown = if is >= was { is - was } else { is };
            *one.packets.get_or_insert(0) += grown;
        }
    }

    fn used(&mut self, subject: &Subject) {
        if let Some(at) = self.index.at.get(subject)
            && let Some(one) = self.subjects.get_mut(*at)
        {
            one.times += 1;
        }
    }

    fn flow(&mut self, flow: &Flow) {
        self.handled(&flow.from, flow.tuple, &flow.origin);
        let mut node = &flow.from;
        for hop in &flow.hops {
            for node in [node, &hop.node] {
                self.used(&Subject::Link {
                    node: node.clone(),
                    segment: hop.segment.clone(),
                });
            }
            self.handled(&hop.node, hop.tuple, &hop.handling);
            node = &hop.node;
        }
    }

    fn handled(&mut self, node: &str, came: Tuple, handling: &Handling) {
        for verdict in &handling.verdicts {
            self.used(&Subject::Rule {
                node: node.to_owned(),
                id: verdict.rule.clone(),
                place: verdict.place.clone().unwrap_or_default(),
            });
        }
        if let Some(translated) = &handling.translated {
            let key = (came.destination.ip(), translated.to.destination.ip());
            if let Some(member) = self.index.spread.get(&key).cloned() {
                self.used(&member);
            }
        }
    }

    /// Takes what a service of a node told that it did: that it did it for a node of its own, no
    /// packet shows.
    pub fn did(&mut self, node: &str, deed: &Deed) {
        match deed {
            Deed::Chose { pool, member, .. } => self.used(&Subject::Member {
                pool: pool.clone(),
                member: member.clone(),
            }),
            Deed::Tls {
                name: Some(name), ..
            } => {
                let key = (node.to_owned(), name.to_ascii_lowercase());
                if let Some(shown) = self.index.shown.get(&key).cloned() {
                    self.used(&shown);
                }
            }
            Deed::Answered {
                name,
                view,
                answers,
                ..
            } => {
                let views = match view {
                    Some(view) => vec![view.clone()],
                    None => self.index.views.get(node).cloned().unwrap_or_default(),
                };
                for view in views {
                    self.answered(&view, name, answers);
                }
            }
            _ => {}
        }
    }

    /// The records that an answer was made of: those of the name, and of what they are aliases for.
    fn answered(&mut self, view: &str, name: &str, answers: &[String]) {
        let mut names = vec![name.trim_end_matches('.').to_ascii_lowercase()];
        for answer in answers {
            let answer = match answer.parse::<std::net::IpAddr>() {
                Ok(address) => address.to_string(),
                Err(_) => answer.clone(),
            };
            let of_these = |subject: &&Subject| match subject {
                Subject::Record {
                    view: theirs,
                    name,
                    data,
                    ..
                } => {
                    theirs == view
                        && data.eq_ignore_ascii_case(&answer)
                        && names.iter().any(|asked| owns(name, asked))
                }
                _ => false,
            };
            let Some(record) = self.index.at.keys().find(of_these).cloned() else {
                continue;
            };
            self.used(&record);
            if let Subject::Record { record, data, .. } = &record
                && record == "CNAME"
            {
                names.push(data.trim_end_matches('.').to_owned());
            }
        }
    }
}

/// Whether a record with that owner answers for a name (RFC 4592 §2.1.1 for `*`).
pub(super) fn owns(owner: &str, asked: &str) -> bool {
    match owner.strip_prefix('*') {
        Some(below) => asked.ends_with(below) && asked.len() > below.len(),
        None => owner == asked,
    }
}
