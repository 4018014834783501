//! What the processes of a lab say to each other, and who says it.
//!
//! ```text
//! launcher ←── ToLauncher ──── keeper ──── ToZygote ──→ zygote (first process of the lab)
//!                                │ ↑                        │ forks
//!                                │ └── FromNode ── node's first process
//!                                ├──── ToNode ──→      │ forks
//!                                ├──── ToService ──→ service
//!                                └←── FromService ────┘
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::control::{Exec, Progress, Refusal};
use crate::observe::Span;
use crate::plan::{FilePlan, NodePlan, ProcessPlan};
use crate::service::{Issued, NetworkRequest, Report, Secret, Watched};

/// Keeper → launcher, until the launcher says goodbye by closing its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToLauncher {
    /// Something went on.
    Progress(Progress),
    /// All is healthy.
    Up,
    /// It can't be; the lab ends now.
    Failed(Refusal),
}

/// Launcher → keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromLauncher {
    /// The launcher has seen [`ToLauncher::Up`]; from now on its end means nothing.
    Goodbye,
    /// It has seen it, too, and stays: its end is the lab's.
    Stay,
}

/// Keeper → zygote.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToZygote {
    /// Make a node. Descriptor: the node's end of its channel.
    Node {
        /// Its name.
        name: String,
        /// Most bytes of its store; 0: it has none.
        store: u64,
    },
    /// A node left the lab for good: its store goes. Nothing is answered.
    Forget {
        /// Its name.
        name: String,
    },
}

/// Zygote → keeper, in the order of the requests.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromZygote {
    /// A node was born. Descriptor: its network namespace.
    Node,
    /// It could not be.
    Failed(String),
}

/// All that a node starts from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Slice {
    /// The lab's name.
    pub lab: String,
    /// The node.
    pub plan: NodePlan,
    /// Its certificates by id.
    pub credentials: BTreeMap<String, CredentialPem>,
    /// What a service needs that speaks for the certificate authority.
    pub authority: Option<AuthorityPem>,
    /// Its secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// The lab's root certificate, PEM.
    pub trust: String,
    /// OpenSSL's hash of the root's subject, for its folder of certificates.
    pub trust_hash: String,
    /// Programs can change to other users.
    pub other_users: bool,
}

/// A certificate and key as they travel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CredentialPem {
    /// Chain, leaf first.
    pub chain: String,
    /// Key, PKCS #8.
    pub key: String,
}

/// What speaks for the certificate authority, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AuthorityPem {
    /// The issuing CA.
    pub issuing: CredentialPem,
    /// The root's revocation list, DER.
    pub root_list: Vec<u8>,
}

/// Keeper → a node's first process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToNode {
    /// The first message. Descriptor: the door of the node's cgroup, where it has one.
    Slice(Box<Slice>),
    /// Start a service or a program. Descriptors: its log; for a service its channel.
    Start {
        /// The keeper's number for it.
        id: u64,
        /// What to start.
        process: Box<ProcessPlan>,
    },
    /// Run a program for a caller. Descriptors: stdin, stdout, stderr, unless it gets a terminal.
    Exec {
        /// The keeper's number for it.
        id: u64,
        /// What to run.
        exec: Exec,
    },
    /// Send a signal to the program's process group.
    Signal {
        /// Which.
        id: u64,
        /// Signal number.
        signal: i32,
    },
    /// End it with all its descendants.
    Stop {
        /// Which.
        id: u64,
    },
    /// Write kernel settings of the node's network. → [`FromNode::Done`] or [`FromNode::Refused`].
    Sysctls {
        /// The keeper's number for it.
        id: u64,
        /// Path below `/proc/sys` → value.
        settings: BTreeMap<String, String>,
    },
    /// Write and remove files.
    Files {
        /// Files to write.
        files: Vec<FilePlan>,
        /// Paths to remove.
        remove: Vec<String>,
    },
}

/// A node's first process → keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromNode {
    /// Its root folder, files and kernel settings are in place.
    Prepared,
    /// They can't be.
    Failed(String),
    /// A service or program was started.
    Started {
        /// Which.
        id: u64,
    },
    /// Descriptor: the master side of the terminal that [`ToNode::Exec`] asked for.
    Terminal {
        /// Which.
        id: u64,
    },
    /// What was asked is done.
    Done {
        /// Which.
        id: u64,
    },
    /// Something that was started ended.
    Exited {
        /// Which.
        id: u64,
        /// Exit status, or 128 + signal.
        status: i32,
    },
    /// Something could not be started.
    Refused {
        /// Which.
        id: u64,
        /// Why.
        refusal: Refusal,
    },
}

/// Keeper → service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToService {
    /// New settings.
    Settings(Value),
    /// What was issued, to a service that speaks for the certificate authority: first of all, and
    /// whenever that changed.
    Issued(Vec<Issued>),
    /// Who watches what it does. → [`FromService::Watched`].
    Watch(Watched),
    /// End; a second is given.
    Stop,
}

/// Service → keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromService {
    /// What it tells about itself.
    Report(Report),
    /// What it asks of the network.
    Network(NetworkRequest),
    /// From now on it tells what it does, or not.
    Watched,
    /// Something that it did.
    Span(Box<Span>),
    /// A line of an SSLKEYLOGFILE.
    Key(String),
    /// So many things that it did found no room.
    SpansLost(u64),
    /// Why it ends. A fatal reason is not cured by starting again.
    Failed {
        /// A sentence.
        message: String,
        /// Starting again is in vain.
        fatal: bool,
    },
}
