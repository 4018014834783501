//! What came out: hops, what happened at each, and how it ended.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::kind::Kind;
use super::nearest::Nearest;

/// The addresses and the kind of a packet. Source ports decide nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Packet {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// Protocol and destination port.
    pub kind: Kind,
}

/// A way: hops in order, and what follows after the last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Way {
    /// Nodes passed, the first node included.
    pub hops: Vec<Hop>,
    /// What comes then.
    pub then: Then,
}

/// A node on the way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hop {
    /// The node.
    pub node: String,
    /// The interface it came in by; none where it began.
    pub inbound: Option<String>,
    /// The packet as it arrived, or was made.
    pub packet: Packet,
    /// What the node did, in order.
    pub steps: Vec<Step>,
}

/// What a node did with a packet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// It chose a route.
    Route {
        /// The prefix that fits best.
        to: IpNet,
        /// The next hop; none where the address stands on the node's own segment.
        via: Option<IpAddr>,
        /// The node that has the next hop's address.
        node: Option<String>,
        /// The interface it leaves by.
        interface: String,
        /// `file:line` behind the route.
        place: Option<String>,
    },
    /// It translated the source.
    Source {
        /// It was.
        was: IpAddr,
        /// It is.
        becomes: IpAddr,
        /// The rule's id.
        rule: String,
        /// `file:line` behind it.
        place: Option<String>,
    },
    /// It translated the destination.
    Destination {
        /// It was.
        was: IpAddr,
        /// It is.
        becomes: IpAddr,
        /// The new port, if that changed.
        port: Option<u16>,
        /// The rule's id.
        rule: String,
        /// `file:line` behind it.
        place: Option<String>,
    },
    /// No member of a VIP answers its health check: nothing is translated.
    NoMember {
        /// The VIP.
        vip: String,
        /// Its members.
        out: Vec<String>,
    },
    /// A chain decided.
    Verdict(Verdict),
}

/// What a chain decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The chain: `forward`, or `input` for what is for the node itself.
    pub chain: &'static str,
    /// It goes on.
    pub passes: bool,
    /// The rule's id; none where no rule decided, which lets it pass.
    pub rule: Option<String>,
    /// What people wrote about it.
    pub note: Option<String>,
    /// `file:line` behind it.
    pub place: Option<String>,
    /// It is the last rule of its ACL, which has no condition.
    pub default: bool,
    /// For what is stopped: the rule that would almost have let it pass.
    pub nearest: Option<Nearest>,
}

/// What follows after the last hop.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "then", rename_all = "kebab-case")]
pub enum Then {
    /// It ends there.
    End {
        /// How.
        end: End,
        /// The way of the answer, where something answers.
        back: Option<Back>,
        /// What the one who asked sees.
        outcome: Outcome,
        /// The connections that a proxy makes for this one.
        onward: Vec<Onward>,
        /// The proxy's VIP, where that publishes no site of the name asked for: it answers itself.
        unpublished: Option<String>,
    },
    /// The last node sends it to one of several.
    Choice {
        /// The VIP.
        vip: String,
        /// Each by chance; else one after the other.
        random: bool,
        /// `file:line` behind it.
        place: Option<String>,
        /// All that may be chosen.
        branches: Vec<Branch>,
        /// Members that do not answer the health check.
        out: Vec<String>,
    },
}

/// A member that may be chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Branch {
    /// The member.
    pub member: String,
    /// Its address.
    pub address: IpAddr,
    /// The way from the node that chooses.
    pub way: Way,
}

/// How a way ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// Something listens there.
    Listens {
        /// The process; none where the kernel itself answers (an echo request).
        process: Option<String>,
    },
    /// It arrived where nobody listens.
    Closed,
    /// It arrived at a node whose programs may listen: the plan does not know.
    Unknown,
    /// A rule dropped it; the last step says which.
    Dropped,
    /// A rule refused it; the last step says which.
    Rejected,
    /// The node is no router and it was for somebody else.
    NotForwarded,
    /// The node has no route.
    NoRoute,
    /// Nobody (alive) has the address.
    Nobody {
        /// The address that was looked for on the segment.
        address: IpAddr,
    },
    /// It goes round.
    Circle,
}

/// The way of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Back {
    /// Nodes passed, the one that answers first.
    pub hops: Vec<Hop>,
    /// It reaches the one who asked.
    pub arrives: bool,
    /// Why not, a sentence.
    pub trouble: Option<String>,
}

/// A connection that a proxy makes for another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Onward {
    /// The proxy's VIP.
    pub vip: String,
    /// The site's host names.
    pub hosts: Vec<String>,
    /// The member.
    pub member: String,
    /// Its address.
    pub address: IpAddr,
    /// What is sent there.
    pub kind: Kind,
    /// The way there.
    pub way: Way,
}

/// What the one who asked sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// An answer of somebody who listens.
    Open,
    /// An answer, but the plan does not know which.
    Reached,
    /// A refusal at once.
    Refused,
    /// An error: no route, or nobody there.
    Unreachable,
    /// Silence.
    Dropped,
}

impl Outcome {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Reached => "reached",
            Outcome::Refused => "refused",
            Outcome::Unreachable => "unreachable",
            Outcome::Dropped => "dropped",
        }
    }
}

impl Way {
    /// What may be seen, by the choice that is made: one outcome unless members differ.
    pub fn outcomes(&self) -> BTreeSet<Outcome> {
        match &self.then {
            Then::End { outcome, .. } => BTreeSet::from([*outcome]),
            Then::Choice { branches, .. } => branches
                .iter()
                .flat_map(|branch| branch.way.outcomes())
                .collect(),
        }
    }

    /// Whether a connection may come to something: it is answered and, where a proxy ends it, so is
    /// at least one that the proxy makes.
    pub fn may_succeed(&self) -> bool {
        match &self.then {
            Then::End {
                outcome,
                onward,
                unpublished,
                ..
            } => {
                matches!(outcome, Outcome::Open | Outcome::Reached)
                    && unpublished.is_none()
                    && (onward.is_empty() || onward.iter().any(|onward| onward.way.may_succeed()))
            }
            Then::Choice { branches, .. } => branches.iter().any(|branch| branch.way.may_succeed()),
        }
    }

    /// The last hops, one a branch, each with how it ended.
    pub fn ends(&self) -> Vec<(&Hop, &End, Option<&Back>)> {
        match &self.then {
            Then::End { end, back, .. } => self
                .hops
                .last()
                .map(|hop| (hop, end, back.as_ref()))
                .into_iter()
                .collect(),
            Then::Choice { branches, .. } => branches
                .iter()
                .flat_map(|branch| branch.way.ends())
                .collect(),
        }
    }

    /// All verdicts on the way, in order, each with its node.
    pub fn verdicts(&self) -> Vec<(&str, &Verdict)> {
        let own = self.hops.iter().flat_map(|hop| {
            hop.steps.iter().filter_map(|step| match step {
                Step::Verdict(verdict) => Some((hop.node.as_str(), verdict)),
                _ => None,
            })
        });
        let mut all: Vec<_> = own.collect();
        if let Then::Choice { branches, .. } = &self.then {
            all.extend(branches.iter().flat_map(|branch| branch.way.verdicts()));
        }
        all
    }
}
