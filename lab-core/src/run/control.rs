//! The control protocol between the `lab` command and the keeper: one request a
//! connection, then responses until one that ends it. A message is a little-endian
//! `u32` length and that many bytes of JSON; descriptors travel beside it (SCM_RIGHTS).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use super::wire::first;
pub use crate::kernel::conntrack::Tracked;
pub use crate::kernel::nft::Count;
pub use crate::kernel::nft::watch::KnownRule;
use crate::observe::{Probe, Span};
use crate::plan::{Fault, Plan, Transport};

/// Version of the protocol; a keeper refuses another one with [`Response::Error`].
pub const PROTOCOL: u32 = 1;
/// Longest message accepted, in bytes (a plan of 1,000 nodes takes about 4 MB).
pub const MAX_MESSAGE: u32 = 64 << 20;

/// First message of the command.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// Version of the program, for people.
    pub program: String,
    /// What it wants.
    pub request: Request,
}

/// What the command asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// → [`Response::Status`].
    Status,
    /// → [`Response::Plan`]: the plan in force, faults included.
    Plan,
    /// Runs a program in a node. Descriptors: stdin, stdout, stderr of the caller.
    /// → [`Response::Exited`]. The tree ends with this connection.
    Exec(Exec),
    /// Makes the lab like this plan. → [`Response::Progress`]…, then [`Response::Done`].
    Apply {
        /// The new plan.
        plan: Box<Plan>,
    },
    /// Breaks something. → [`Response::Done`].
    Fault(Fault),
    /// Mends one fault, or all. → [`Response::Done`].
    Heal(Option<Fault>),
    /// What happens, from now on until the caller hangs up. → [`Response::Watching`],
    /// [`Response::Deciding`]… and [`Response::Done`]; then [`Response::Seen`]…, and a
    /// [`Response::Tracking`] for each [`WatchControl::Tracking`].
    Watch {
        /// The secrets of TLS connections, too.
        keys: bool,
    },
    /// Tries connections from a node. → [`Response::Tried`].
    Try(Tries),
    /// Log lines. → [`Response::Log`]…, then [`Response::Done`] (never while following).
    Logs {
        /// One node, or all.
        node: Option<String>,
        /// Go on with what comes.
        follow: bool,
    },
    /// Sockets to watch links with. The caller reads them itself, so packets never pass the keeper.
    /// → [`Response::Tap`]. The keeper closes the connection with the lab, or when `node` ends;
    /// the caller then lets go of the sockets, which hold a network namespace.
    Tap {
        /// The node whose loopback is meant; without one, the fabric with all bridges.
        node: Option<String>,
    },
}

/// Messages of the command while an [`Request::Exec`] runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecControl {
    /// The terminal's size changed.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Send this signal to the program's process group.
    Signal(i32),
}

/// Messages of the command while a [`Request::Watch`] runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchControl {
    /// What connection tracking and rules are now. → [`Response::Tracking`].
    Tracking,
}

/// A program to run in a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exec {
    /// Node.
    pub node: String,
    /// Program and arguments; empty: the user's shell.
    pub argv: Vec<String>,
    /// The caller's environment (TERM, LANG, …); PATH, HOME and the CA variables are the node's.
    pub env: BTreeMap<String, String>,
    /// The caller's folder; the program starts there if the node can see it, else in HOME.
    pub cwd: String,
    /// User to run as.
    pub user: Option<String>,
    /// Give it a terminal of the node; the caller copies bytes to and from its master side.
    pub terminal: Option<TerminalSize>,
    /// The program is the engine's own, whatever `argv` calls it: its file may lie where the node
    /// sees nothing of the host (/tmp).
    #[serde(default)]
    pub own: bool,
}

/// Size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// Connections to try from a node, many at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Node.
    pub node: String,
    /// Milliseconds after which no answer is silence.
    pub within: u64,
    /// The connections.
    pub tries: Vec<Try>,
}

/// A connection to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// TCP, which is closed as soon as it is open, or UDP.
    pub protocol: Transport,
    /// Where to.
    pub to: SocketAddr,
    /// The datagram sent (UDP), again and again until there is an answer.
    pub datagram: Vec<u8>,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tried {
    /// TCP: somebody accepted.
    Connected,
    /// UDP: this came back.
    Answered(Vec<u8>),
    /// TCP: reset; UDP: port unreachable.
    Refused,
    /// No route, or nobody there.
    Unreachable,
    /// Nothing came back in time.
    Silent,
    /// It could not be tried.
    Failed(String),
}

/// What the keeper answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// State of the lab.
    Status(Box<Status>),
    /// The plan in force.
    Plan(Box<Plan>),
    /// The program runs in a terminal. Descriptor: its master side.
    Terminal,
    /// The program ended.
    Exited {
        /// Exit status, or 128 + the signal's number.
        status: i32,
    },
    /// Packets are seen from now on. Descriptor: the packet socket of the fabric.
    Watching {
        /// Whose links the fabric's interfaces are.
        ports: Vec<Port>,
    },
    /// Rules of a node are watched. Descriptor: the socket that hears what they decide.
    Deciding {
        /// Node.
        node: String,
    },
    /// Something was seen.
    Seen(Seen),
    /// What the kernels of nodes know.
    Tracking {
        /// Connection tracking and rules, by node.
        nodes: BTreeMap<String, Tracking>,
        /// Pools: name → member → healthy, down or drained.
        pools: BTreeMap<String, BTreeMap<String, String>>,
    },
    /// Descriptors: a packet socket that hears nothing yet
    /// ([`PacketSocket`](crate::kernel::packet::PacketSocket)), and one that hears of interfaces
    /// ([`LinkNews`](crate::kernel::link_news::LinkNews)), both of the same namespace.
    Tap,
    /// What came of each try, in order.
    Tried(Vec<Tried>),
    /// A line of a log.
    Log(LogLine),
    /// Something went on.
    Progress(Progress),
    /// Finished.
    Done,
    /// Not done.
    Error(Refusal),
}

/// An interface of the fabric: the other end of a node's leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its index in the fabric.
    pub index: u32,
    /// Node.
    pub node: String,
    /// Segment.
    pub segment: String,
}

/// Something that those who watch are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// A service did something.
    Span {
        /// Node.
        node: String,
        /// Process of the node.
        process: String,
        /// What.
        span: Box<Span>,
    },
    /// The engine asks after somebody's health by this conversation.
    Probe(Probe),
    /// A line of an SSLKEYLOGFILE (RFC 9850).
    Key(String),
    /// So many spans are lost.
    SpansLost {
        /// Who lost them.
        from: String,
        /// How many.
        count: u64,
    },
    /// A service does not say that it tells.
    Silent {
        /// Which.
        who: String,
    },
    /// Interfaces changed: whose they are now.
    Ports(Vec<Port>),
}

/// What a node's kernel knows now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Its rules.
    pub rules: Vec<KnownRule>,
    /// Its connections.
    pub connections: Vec<Tracked>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Exit code for the command: 1, 2 or 3.
    pub code: u8,
}

/// A line of a node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Milliseconds since the Unix epoch.
    pub time: u64,
    /// Node.
    pub node: String,
    /// Process of the node, or `lab` for what the engine says about it.
    pub process: String,
    /// The line, without its end; invalid UTF-8 replaced.
    pub text: String,
}

/// Progress of `up` and `apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// So much is to be done.
    Total {
        /// Nodes to start.
        nodes: usize,
        /// Processes to become healthy.
        processes: usize,
    },
    /// A node stands, with its links, routes and rules.
    Node {
        /// Node.
        node: String,
    },
    /// A process was seen healthy.
    Healthy {
        /// Node.
        node: String,
        /// Process.
        process: String,
    },
    /// How long a stage took.
    Stage(Timing),
    /// Something to know, though it goes on.
    Warning {
        /// A sentence.
        message: String,
    },
}

/// How long a stage took. Stages overlap, and so do the parts of one, a part a node or process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Its name (`links`, `certificates`, …).
    pub stage: String,
    /// Microseconds from the first start of a part to the last end of one.
    pub micros: u64,
    /// Microseconds of all parts added up.
    pub summed_micros: u64,
    /// How many parts.
    pub parts: u64,
}

/// State of a lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub lab: String,
    /// One line about it.
    pub title: Option<String>,
    /// Milliseconds since the Unix epoch when it came up.
    pub since: u64,
    /// Faults in force.
    pub faults: Vec<Fault>,
    /// What is wrong with the clock: it stands where certificates of the lab are not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// How many connections are tracked by nodes that can hardly track more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub full_of_connections: BTreeMap<String, u64>,
    /// Nodes.
    pub nodes: BTreeMap<String, NodeStatus>,
    /// Pools: name → member → healthy, down or drained.
    pub pools: BTreeMap<String, BTreeMap<String, String>>,
    /// Packets and bytes by ACL node and rule id.
    pub rules: BTreeMap<String, BTreeMap<String, Count>>,
}

/// State of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Fully qualified name.
    pub fqdn: String,
    /// Addresses by segment.
    pub addresses: BTreeMap<String, Vec<String>>,
    /// Whether it runs.
    pub running: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// Its processes.
    pub processes: BTreeMap<String, ProcessStatus>,
}

/// State of a process of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Service or program.
    pub what: String,
    /// State.
    pub state: ProcessState,
    /// How often it was started again.
    pub restarts: u32,
    /// The last thing that went wrong, a sentence.
    pub trouble: Option<String>,
    /// Milliseconds until it is started again, while it waits for that.
    #[serde(default)]
    pub again_in: Option<u64>,
}

/// State of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// Started, not seen healthy yet.
    Starting,
    /// Its protocol was seen to work from another node.
    Healthy,
    /// It runs and its check fails.
    Unhealthy,
    /// It ended and waits to be started again.
    Waiting,
    /// It ended and stays so, or was stopped.
    Stopped,
}
