//! All that a lab has to be exercised.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::subject::{Kind, Subject};
use crate::check::{BalancerMode, Lab, RecordData};
use crate::plan::{NodePlan, Plan, ProcessKind, Transport};

/// The port of name servers, which speak no TLS here (RFC 1035 §4.2).
const NAMES: u16 = 53;

/// How often each subject of a lab was exercised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The lab.
    pub lab: String,
    /// Its subjects, in order.
    pub subjects: Vec<Exercised>,
    /// What may be missing of what was seen, a sentence each.
    pub gaps: Vec<String>,
    #[serde(skip)]
    pub(super) index: Index,
}

/// How often a subject was exercised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercised {
    /// What.
    #[serde(flatten)]
    pub subject: Subject,
    /// How often: conversations that it carried, decided about, answered or was chosen for; of a
    /// requirement the scenarios that passed.
    pub times: u64,
    /// A rule: it permits; else it drops.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub permits: Option<bool>,
    /// A rule: what the file notes on it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// A rule: packets that its id counted at its node, those that ask after health included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub packets: Option<u64>,
}

/// Finds what was seen among the subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub at: BTreeMap<Subject, usize>,
    /// Layer 4: VIP and member by their addresses.
    pub spread: BTreeMap<(IpAddr, IpAddr), Subject>,
    /// The views that a node serves.
    pub views: BTreeMap<String, Vec<String>>,
    /// Certificates that a node shows, by the names that clients ask for.
    pub shown: BTreeMap<(String, String), Subject>,
}

impl Coverage {
    /// All that a lab has, never exercised so far; `covers`: what its scenarios say that they cover.
    pub fn of(lab: &Lab, plan: &Plan, covers: &BTreeSet<String>) -> Self {
        let mut whole = Self {
            lab: lab.name.clone(),
            ..Self::default()
        };
        for id in covers {
            whole.add(Subject::Requirement { id: id.clone() });
        }
        whole.rules(lab);
        for node in plan.nodes.values() {
            for link in &node.links {
                whole.add(Subject::Link {
                    node: node.name.clone(),
                    segment: link.segment.clone(),
                });
            }
        }
        whole.members(lab);
        whole.records(lab);
        for node in plan.nodes.values() {
            whole.certificates(node);
        }
        whole
    }

    fn add(&mut self, subject: Subject) -> Option<&mut Exercised> {
        if self.index.at.contains_key(&subject) {
            return None;
        }
        self.index.at.insert(subject.clone(), self.subjects.len());
        self.subjects.push(Exercised {
            subject,
            times: 0,
            permits: None,
            note: None,
            packets: None,
        });
        self.subjects.last_mut()
    }

    fn rules(&mut self, lab: &Lab) {
        for node in lab.nodes.values() {
            for rule in node
                .acl
                .iter()
                .flat_map(|acl| acl.rules.iter().chain([&acl.default]))
            {
                let added = self.add(Subject::Rule {
                    node: node.name.clone(),
                    id: rule.id.clone(),
                    place: rule.place.to_string(),
                });
                if let Some(added) = added {
                    added.permits = Some(rule.permit);
                    added.note.clone_from(&rule.note);
                }
            }
        }
    }

    fn members(&mut self, lab: &Lab) {
        for balancer in lab.balancers.values() {
            for (pool, members) in balancer.pools() {
                for member in &members.members {
                    let subject = Subject::Member {
                        pool: pool.clone(),
                        member: member.name.clone(),
                    };
                    if let BalancerMode::Layer4 { .. } = balancer.mode {
                        for vip in &balancer.vips {
                            let key = (*vip, member.address);
                            self.index.spread.insert(key, subject.clone());
                        }
                    }
                    self.add(subject);
                }
            }
        }
    }

    fn records(&mut self, lab: &Lab) {
        for view in lab.views.values() {
            let served = self.index.views.entry(view.server.clone()).or_default();
            served.push(view.name.clone());
        }
        for zone in &lab.zones {
            for record in &zone.records {
                let (kind, data) = written(&record.data);
                self.add(Subject::Record {
                    view: zone.view.clone(),
                    name: record.name.to_ascii_lowercase(),
                    record: kind.into(),
                    data,
                });
            }
        }
    }

    fn certificates(&mut self, node: &NodePlan) {
        let own = |name: &String| Subject::Certificate {
            node: node.name.clone(),
            name: name.to_ascii_lowercase(),
        };
        let asked = node.certificates.iter().filter(|one| one.id != "node");
        for name in asked.clone().flat_map(|one| &one.names) {
            let key = (node.name.clone(), name.to_ascii_lowercase());
            self.index.shown.insert(key, own(name));
            self.add(own(name));
        }
        // Where services ask for none, they show the node's own; under which of its names is all one.
        let serves = node.processes.iter().any(|process| {
            let listens = process.listens.iter();
            matches!(process.kind, ProcessKind::Service { .. })
                && listens
                    .filter(|listen| listen.protocol == Transport::Tcp)
                    .any(|listen| listen.port != NAMES)
        });
        if asked.count() == 0 && serves {
            for one in &node.certificates {
                for name in &one.names {
                    let key = (node.name.clone(), name.to_ascii_lowercase());
                    self.index.shown.insert(key, own(&one.subject));
                }
                self.add(own(&one.subject));
            }
        }
    }

    /// Subjects of a kind: how many were exercised, and how many there are.
    pub fn count(&self, kind: Kind) -> (usize, usize) {
        let all = || {
            self.subjects
                .iter()
                .filter(|one| one.subject.kind() == kind)
        };
        (all().filter(|one| one.times > 0).count(), all().count())
    }

    /// Subjects of a kind that were never exercised.
    pub fn never(&self, kind: Kind) -> impl Iterator<Item = &Exercised> {
        let all = self.subjects.iter();
        all.filter(move |one| one.subject.kind() == kind && one.times == 0)
    }

    /// What was exercised.
    pub fn exercised(&self) -> impl Iterator<Item = &Subject> {
        let used = self.subjects.iter().filter(|one| one.times > 0);
        used.map(|one| &one.subject)
    }
}

/// A record's type and data, as name servers tell them.
pub(crate) fn written(data: &RecordData) -> (&'static str, String) {
    match data {
        RecordData::Address(address @ IpAddr::V4(_)) => ("A", address.to_string()),
        RecordData::Address(address) => ("AAAA", address.to_string()),
        RecordData::Cname(name) => ("CNAME", dotted(name)),
        RecordData::Mx {
            preference,
            exchange,
        } => ("MX", format!("{preference} {}", dotted(exchange))),
        RecordData::Ns(name) => ("NS", dotted(name)),
        RecordData::Ptr(name) => ("PTR", dotted(name)),
        RecordData::Srv {
            priority,
            weight,
            port,
            target,
        } => (
            "SRV",
            format!("{priority} {weight} {port} {}", dotted(target)),
        ),
        RecordData::Txt(text) => ("TXT", text.clone()),
    }
}

fn dotted(name: &str) -> String {
    format!("{}.", name.to_ascii_lowercase())
}
