//! What can be exercised.

use serde::{Deserialize, Serialize};

/// Something of a lab that a scenario can exercise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Subject {
    /// What a scenario says that it covers.
    Requirement {
        /// `X2`.
        id: String,
    },
    /// A rule of a node's ACL.
    Rule {
        /// The node.
        node: String,
        /// `P7`.
        id: String,
        /// `file:line`; several rules may share an id.
        place: String,
    },
    /// A node's wire to a segment.
    Link {
        /// The node.
        node: String,
        /// The segment.
        segment: String,
    },
    /// A member of a pool.
    Member {
        /// The pool, as `lab status` calls it.
        pool: String,
        /// The member.
        member: String,
    },
    /// A DNS record.
    Record {
        /// The view that gives it.
        view: String,
        /// Its owner.
        name: String,
        /// `A`, `SRV` …
        record: String,
        /// Its data, as in a zone file.
        data: String,
    },
    /// A name in a certificate that a service shows.
    Certificate {
        /// The node.
        node: String,
        /// The name that clients ask for.
        name: String,
    },
}

/// The kinds of subjects, in the order of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Requirements.
    Requirements,
    /// ACL rules.
    Rules,
    /// Links.
    Links,
    /// Members of pools.
    Members,
    /// DNS records.
    Records,
    /// Names in certificates.
    Certificates,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Requirements,
        Self::Rules,
        Self::Links,
        Self::Members,
        Self::Records,
        Self::Certificates,
    ];

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requirements => "requirements",
            Self::Rules => "rules",
            Self::Links => "links",
            Self::Members => "members",
            Self::Records => "records",
            Self::Certificates => "certificates",
        }
    }
}

impl Subject {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Requirement { .. } => Kind::Requirements,
            Self::Rule { .. } => Kind::Rules,
            Self::Link { .. } => Kind::Links,
            Self::Member { .. } => Kind::Members,
            Self::Record { .. } => Kind::Records,
            Self::Certificate { .. } => Kind::Certificates,
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Requirement { id } => f.write_str(id),
            Self::Rule { node, id, place } => write!(f, "{id} at {node} ({place})"),
            Self::Link { node, segment } => write!(f, "{node} on {segment}"),
            Self::Member { pool, member } => write!(f, "{member} of {pool}"),
            Self::Record {
                view,
                name,
                record,
                data,
            } => write!(f, "{name} {record} {data} in view {view}"),
            Self::Certificate { node, name } => write!(f, "{name} at {node}"),
        }
    }
}
