//! [`Lab`](crate::check::Lab) → [`Plan`]: everything a lab will be, down to the MAC
//! address, as plain data. Pure: no I/O, no clock, no random number; the same lab
//! gives the same plan, byte for byte.

mod certificates;
mod compute;
mod diff;
mod fault;
mod files;
mod links;
mod neighbours;
mod processes;
mod rules;
mod rules_of;
mod sysctls;
mod vips;

pub use compute::plan;
pub use diff::{Operation, diff};
pub use fault::{Fault, with_faults};
pub use rules::{Action, Chain, ChainType, Hook, Match, PortRange, Rule, Ruleset, Target};
pub use sysctls::{after_links, before_links, in_writing_order};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::check::{Limits, ProgramHealth, Restart};
use crate::model::Place;

/// A whole lab, ready to be built.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The lab's name.
    pub lab: String,
    /// One line about it.
    pub title: Option<String>,
    /// Commands worth trying.
    pub hints: Vec<String>,
    /// One bridge each, in the fabric namespace.
    pub segments: BTreeMap<String, SegmentPlan>,
    /// Nodes.
    pub nodes: BTreeMap<String, NodePlan>,
    /// VIPs, for people and pictures.
    pub vips: BTreeMap<String, VipPlan>,
    /// The URL under which revocation is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// What the file notes on rules, by their place (`file:line`), for people.
    pub notes: BTreeMap<String, String>,
}

impl Plan {
    /// Layer-4 VIPs that spread by chance; the others give each member its turn.
    pub fn vips_spread_by_chance(&self) -> Vec<String> {
        let chains = self.nodes.values().flat_map(|node| &node.rules.chains);
        let by_chance = chains.filter(|chain| {
            let chance = |rule: &Rule| matches!(rule.action, Action::Dnat { random: true, .. });
            chain.rules.iter().any(chance)
        });
        by_chance
            .filter_map(|chain| chain.name.strip_prefix("vip-"))
            .map(str::to_owned)
            .collect()
    }
}

/// A segment: a bridge in the fabric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentPlan {
    /// Name of the bridge, at most 15 bytes.
    pub bridge: String,
    /// Prefixes.
    pub prefixes: Vec<IpNet>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Security zone.
    pub zone: Option<String>,
    /// Tier.
    pub tier: Option<String>,
}

/// A VIP, as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VipPlan {
    /// The node that balances.
    pub node: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// 4 or 7.
    pub layer: u8,
    /// Ports, as people write them (`tcp/443`).
    pub ports: Vec<String>,
    /// Names of the members.
    pub members: Vec<String>,
    /// Host names published (layer 7).
    pub hosts: Vec<String>,
}

/// All that one node needs to know: its slice of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Name in the file it was expanded from.
    pub group: String,
    /// Fully qualified name.
    pub fqdn: String,
    /// Forwards packets.
    pub router: bool,
    /// Switched on; `lab fault kill` clears it.
    pub running: bool,
    /// Its legs.
    pub links: Vec<LinkPlan>,
    /// Its routes.
    pub routes: Vec<RoutePlan>,
    /// Kernel settings below /proc/sys, by path (`net/ipv4/ip_forward` → `1`).
    pub sysctls: BTreeMap<String, String>,
    /// Packet rules.
    pub rules: Ruleset,
    /// Files put in place, those below /etc that every node has included.
    pub files: Vec<FilePlan>,
    /// Certificates its services use; the keys are made when the lab starts.
    pub certificates: Vec<CertificatePlan>,
    /// Certificates of users that are put in place like its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_certificates: Vec<UserCertificatePlan>,
    /// Ids of certificates that are revoked.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub revoked: BTreeSet<String>,
    /// A service of it speaks for the lab's certificate authority.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub authority: bool,
    /// Names of secrets its services share with others; their bytes come when the lab starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Most bytes that its services store below `/srv`, which then outlives the node; 0: `/srv` goes
    /// with the node.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub store: u64,
    /// What runs in it.
    pub processes: Vec<ProcessPlan>,
    /// Environment of all that runs in it.
    pub env: BTreeMap<String, String>,
    /// Limits of each process.
    pub limits: Limits,
    /// Where it is defined.
    pub place: Place,
}

/// A node's leg: a veth pair, one end in the node, one on the segment's bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkPlan {
    /// The segment.
    pub segment: String,
    /// Interface name inside the node, at most 15 bytes.
    pub interface: String,
    /// Name of the other end in the fabric, at most 15 bytes, unique in the lab.
    pub port: String,
    /// Hardware address of the node's end, locally administered (`02:…`).
    pub mac: String,
    /// Addresses, the primary one first.
    pub addresses: Vec<IpNet>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Rate limit in bits a second on what the node sends.
    pub rate: Option<u64>,
    /// Delay on what the node sends.
    pub delay: Option<Duration>,
    /// Loss on what the node sends, parts per million.
    pub loss_ppm: Option<u32>,
    /// Carrier; `lab fault link` clears it.
    pub up: bool,
    /// Nodes of a large segment that are known to this one for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<NeighbourPlan>,
}

/// Another leg on the same segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourPlan {
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: String,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePlan {
    /// Destination.
    pub to: IpNet,
    /// Next hop.
    pub via: IpAddr,
    /// Interface.
    pub interface: String,
    /// Where it is defined.
    pub place: Place,
}

/// A file in a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePlan {
    /// Absolute path.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Content; bytes that are no UTF-8 travel as an array.
    pub content: FileContent,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileContent {
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// A certificate to be issued by the lab's CA. It is put below `/etc/tierlab/`
/// as `<id>.crt` (chain, PEM) and `<id>.key` (PKCS #8, PEM, 0600), and handed to services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatePlan {
    /// Name within the node; `node` is the node's own.
    pub id: String,
    /// Common name.
    pub subject: String,
    /// DNS subject alternative names.
    pub names: Vec<String>,
    /// IP subject alternative names.
    pub addresses: Vec<IpAddr>,
}

/// A certificate to be issued to a user, put in place like a [`CertificatePlan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCertificatePlan {
    /// Name within the node.
    pub id: String,
    /// Common name: the user's.
    pub subject: String,
    /// User principal name (`alice@corp.example.com`), as Windows reads it from certificates.
    pub principal: String,
    /// Mail address.
    pub mail: Option<String>,
}

/// A process of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessPlan {
    /// Name, unique on the node.
    pub name: String,
    /// What it is.
    pub kind: ProcessKind,
    /// Shall run; `lab fault stop` clears it.
    pub running: bool,
    /// Sockets bound before it starts.
    pub listens: Vec<Listen>,
    /// Who asks whether it is healthy: a node on one of its segments (itself if it is alone),
    /// and the address asked.
    pub probe: Option<ProbePlan>,
    /// Restart rule.
    pub restart: Restart,
}

/// Where a health check comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbePlan {
    /// The node that asks.
    pub from: String,
    /// The address asked.
    pub to: IpAddr,
}

/// What a process is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessKind {
    /// A service of the catalogue.
    Service {
        /// Name in the catalogue.
        service: String,
        /// Its settings, computed from its options and the lab.
        settings: serde_json::Value,
        /// Other nodes it talks to, by the name the options use.
        peers: BTreeMap<String, Vec<Peer>>,
    },
    /// A program of the host.
    Program {
        /// Program and arguments.
        argv: Vec<String>,
        /// Further environment.
        env: BTreeMap<String, String>,
        /// User; root of the node where absent.
        user: Option<String>,
        /// Health check.
        health: Option<ProgramHealth>,
    },
}

/// Another node, as a service sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Node name.
    pub node: String,
    /// The name its certificate carries.
    pub fqdn: String,
    /// Its primary address.
    pub address: IpAddr,
}

/// A socket that a service listens on, bound by the engine before the service starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// The service's name for it (`https`).
    pub name: String,
    /// TCP or UDP.
    pub protocol: Transport,
    /// Address; all of the node's where absent (UDP services that must answer from the
    /// address asked take one socket an address).
    pub address: Option<IpAddr>,
    /// Port.
    pub port: u16,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}
