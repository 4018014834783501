//! What became of a request: its conversations, hop by hop, as they were seen.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::span::Deed;
use super::tuple::Tuple;

/// Version of the form in which journeys are written (`--json`).
pub const VERSION: u32 = 1;

/// All that one request caused, as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    /// [`VERSION`].
    pub version: u32,
    /// The lab.
    pub lab: String,
    /// The node it began at.
    pub from: String,
    /// What was run or asked, for people.
    pub asked: String,
    /// Microseconds since the Unix epoch.
    pub began: u64,
    /// Microseconds it took.
    pub micros: u64,
    /// Exit status of the program that was run.
    pub status: Option<i32>,
    /// Conversations that the node began, in this order.
    pub flows: Vec<Flow>,
    /// Neighbours that the node asked for in vain: to them no packet can be sent.
    pub unreached: Vec<Unreached>,
    /// What may be missing, a sentence each; empty: nothing was lost.
    pub gaps: Vec<String>,
}

/// A neighbour that was asked for, and did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreached {
    /// Who asked.
    pub node: String,
    /// Where.
    pub segment: String,
    /// For whom.
    pub address: IpAddr,
}

/// A conversation: a TCP connection, or packets to one place and back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The node that began it.
    pub from: String,
    /// As that node sent it.
    pub tuple: Tuple,
    /// Microseconds since the Unix epoch.
    pub began: u64,
    /// Microseconds until its last packet.
    pub micros: u64,
    /// It was ended (TCP).
    pub closed: bool,
    /// It was there before watching began, so that its way is known but not each verdict on it.
    pub kept: bool,
    /// What its first node did with it before it left (a layer-4 VIP on the node itself).
    pub origin: Handling,
    /// Segments and nodes, in order. The last one is where it ended.
    pub hops: Vec<Hop>,
    /// Where it ended and how.
    pub end: End,
    /// What the service at its end did with it, in order.
    pub deeds: Vec<Did>,
}

/// A node that a conversation came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The node.
    pub node: String,
    /// The segment it came in by.
    pub segment: String,
    /// As it came in.
    pub tuple: Tuple,
    /// What the node did with it.
    #[serde(flatten)]
    pub handling: Handling,
}

/// What a node's kernel did with a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Rules that decided on its first packet, in order.
    pub verdicts: Vec<Verdict>,
    /// Its addresses became these.
    pub translated: Option<Translation>,
}

/// A rule that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The chain it stands in.
    pub chain: String,
    /// Id in the lab file (`P7`), or what made it; a rule that the lab did not write: its text.
    pub rule: String,
    /// What the lab file notes on it.
    pub note: Option<String>,
    /// `file:line` behind it.
    pub place: Option<String>,
    /// What it decided.
    pub decision: Decision,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may pass.
    Accept,
    /// It is dropped, or refused at once.
    Drop,
}

/// A change of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// As it goes on.
    pub to: Tuple,
    /// What made it (`masquerade`, `vip exchange`), where it was seen.
    pub rule: Option<String>,
    /// `file:line` behind it.
    pub place: Option<String>,
    /// The layer-4 VIP's choice: the member's node.
    pub member: Option<String>,
    /// Why that one (`round robin, 2 healthy of 2`).
    pub reason: Option<String>,
}

/// How a conversation ended, or stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Somebody there answered.
    Answered,
    /// Nobody listens there, or a rule refused it aloud.
    Refused,
    /// A rule dropped it: the last verdict of the last hop.
    Dropped,
    /// A router said that it can't get there.
    Unreachable {
        /// Which one.
        by: String,
        /// `no route`, `host unreachable`, `administratively prohibited` …
        why: String,
    },
    /// The last node it came to asked for its next hop, and nobody answered.
    NoNeighbour(Unreached),
    /// It arrived, and nothing came back.
    Unanswered,
    /// It was sent to the last hop's segment, and nobody took it.
    Lost {
        /// The segment it was last seen on; none: it did not leave the node.
        segment: Option<String>,
    },
}

/// What a service did, and the conversation it began for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Did {
    /// Microseconds since the Unix epoch.
    pub at: u64,
    /// What.
    pub deed: Deed,
    /// The conversation of [`Deed::Onward`].
    pub flow: Option<Box<Flow>>,
}

impl Journey {
    /// The nodes that took part in carrying the request, in order: hops of the conversations that
    /// are no question about a name or about who somebody is, those begun on the way included, but
    /// for the first node. A node is not repeated directly after itself. Where nothing but tickets
    /// was asked for, that is the request.
    pub fn path(&self) -> Vec<String> {
        let asked: Vec<&Flow> = self
            .flows
            .iter()
            .filter(|flow| !flow.asks_a_name())
            .collect();
        let aside = !asked.iter().all(|flow| flow.asks_for_a_ticket());
        let mut path = Vec::new();
        for flow in asked {
            if !(aside && flow.asks_for_a_ticket()) {
                flow.add_to(&mut path);
            }
        }
        path
    }

    /// All conversations, those begun on the way after the one that caused them.
    pub fn all_flows(&self) -> Vec<&Flow> {
        let mut all = Vec::new();
        for flow in &self.flows {
            flow.collect(&mut all);
        }
        all
    }
}

impl Flow {
    /// Whether it asks a name server.
    pub fn asks_a_name(&self) -> bool {
        self.tuple.destination.port() == 53
    }

    /// Whether it asks a key distribution center (RFC 4120 §7.2.1).
    pub fn asks_for_a_ticket(&self) -> bool {
        self.tuple.destination.port() == 88
    }

    /// Whether it asks who somebody is: for a ticket, or in a directory (389, 636).
    fn asks_who(&self) -> bool {
        self.asks_for_a_ticket() || [389, 636].contains(&self.tuple.destination.port())
    }

    /// The node it ended at; none: it did not leave its own.
    pub fn last(&self) -> Option<&Hop> {
        self.hops.last()
    }

    fn add_to(&self, path: &mut Vec<String>) {
        for hop in &self.hops {
            if path.last() != Some(&hop.node) {
                path.push(hop.node.clone());
            }
        }
        for did in &self.deeds {
            if let Some(flow) = did.flow.as_ref().filter(|flow| !flow.asks_who()) {
                flow.add_to(path);
            }
        }
    }

    fn collect<'a>(&'a self, all: &mut Vec<&'a Flow>) {
        all.push(self);
        for did in &self.deeds {
            if let Some(flow) = &did.flow {
                flow.collect(all);
            }
        }
    }
}
