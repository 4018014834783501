//! A lab that was found to be in order: every reference is resolved, every
//! address lies in its segment, every derived address and route is filled in.
//! [`crate::plan`] starts from this and cannot meet the bad case.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::Place;

/// The name of a node after `count` was expanded (`cas2`).
pub type NodeName = String;
/// The name of a segment.
pub type SegmentName = String;

/// A checked lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Lab {
    /// The lab's name: a DNS label of at most 32 characters.
    pub name: String,
    /// One line about the lab, shown by `lab up` and `lab status`.
    pub title: Option<String>,
    /// Commands worth trying once the lab is up, shown as they stand in the file.
    pub hints: Vec<String>,
    /// Broadcast domains, one bridge each.
    pub segments: BTreeMap<SegmentName, Segment>,
    /// Prefixes that no segment carries but a node hands out (tunnel clients).
    pub address_pools: BTreeMap<String, AddressPool>,
    /// Every node, `count` expanded.
    pub nodes: BTreeMap<NodeName, Node>,
    /// The name that stands in the file → the nodes it became (`cas` → `cas1`, `cas2`).
    /// A node without `count` is a group of itself.
    pub groups: BTreeMap<String, Vec<NodeName>>,
    /// DNS views: which server gives which clients which answers.
    pub views: BTreeMap<String, View>,
    /// DNS zones, one entry per zone and view; reverse zones included.
    pub zones: Vec<Zone>,
    /// VIPs, by name.
    pub balancers: BTreeMap<String, Balancer>,
    /// Accounts of the lab's directory.
    pub directory: Option<Directory>,
    /// The URL under which revocation is published, without a final slash.
    pub published: Option<String>,
}

/// A broadcast domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its name.
    pub name: SegmentName,
    /// Its prefixes, IPv4 first.
    pub prefixes: Vec<IpNet>,
    /// Security zone (`internet`, `perimeter`, `intranet`), for pictures and reports.
    pub zone: Option<String>,
    /// Tier (`front end`, `application`, `database`), for pictures and reports.
    pub tier: Option<String>,
    /// Largest packet in bytes, 1280 to 9000.
    pub mtu: u32,
    /// Where the segment is defined.
    pub place: Place,
}

/// A prefix that a node hands out to tunnel clients.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressPool {
    /// The pool's prefix.
    pub prefix: IpNet,
    /// The node that owns it.
    pub via: NodeName,
    /// Where it is defined.
    pub place: Place,
}

/// A host or a router.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, a DNS label.
    pub name: NodeName,
    /// The name in the file it was expanded from.
    pub group: String,
    /// Forwards packets between its segments.
    pub router: bool,
    /// Fully qualified name: `name` + the node's domain, or `name` alone.
    pub fqdn: String,
    /// Further DNS names its own certificate covers.
    pub aliases: Vec<String>,
    /// Labels of some of its addresses, used as `node.label`.
    pub names: BTreeMap<String, IpAddr>,
    /// One per segment it stands on, in the order of the file.
    pub attachments: Vec<Attachment>,
    /// Static routes, the derived default route included.
    pub routes: Vec<Route>,
    /// The ACL on what it forwards and what is sent to itself.
    pub acl: Option<Acl>,
    /// Address translation, in the order of the file.
    pub nat: Vec<Nat>,
    /// Name servers in its resolv.conf, best first.
    pub resolvers: Vec<IpAddr>,
    /// Search domain in its resolv.conf.
    pub search: Option<String>,
    /// Services of the catalogue.
    pub services: Vec<ServiceUse>,
    /// Programs of the host.
    pub programs: Vec<Program>,
    /// Files put in place before anything starts.
    pub files: Vec<FileUse>,
    /// Certificates that the file asks for, and what it says of the node's own.
    pub certificates: Vec<NodeCertificate>,
    /// Environment of services, programs and `exec`.
    pub env: BTreeMap<String, String>,
    /// Resource limits.
    pub limits: Limits,
    /// Where the node is defined.
    pub place: Place,
}

/// A certificate that the lab file asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeCertificate {
    /// Name within the node.
    pub id: String,
    /// Whom it is for.
    pub certified: Certified,
    /// It is revoked from the beginning.
    pub revoked: bool,
}

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Certified {
    /// The node, as is derived: nothing more is asked for.
    Own,
    /// A server of these names.
    Names(Vec<String>),
    /// A user of the directory.
    User(String),
}

/// A node's leg on a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// The segment; also the interface's name inside the node.
    pub segment: SegmentName,
    /// Addresses with the segment's prefix length; VIPs included. Never empty for IP segments.
    pub addresses: Vec<IpNet>,
    /// Properties of the wire.
    pub link: LinkProperties,
    /// Where it is defined.
    pub place: Place,
}

/// Properties of one node's wire to its segment, applied to what the node sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkProperties {
    /// Largest packet in bytes; the segment's where absent.
    pub mtu: Option<u32>,
    /// Rate limit in bits a second.
    pub rate: Option<u64>,
    /// Added delay (needs netem).
    pub delay: Option<Duration>,
    /// Packets lost, in parts per million (needs netem).
    pub loss_ppm: Option<u32>,
}

/// A static route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Destination; `0.0.0.0/0` or `::/0` is the default.
    pub to: IpNet,
    /// Next hop, on one of the node's segments.
    pub via: IpAddr,
    /// The node that has the next hop's address.
    pub via_node: NodeName,
    /// The segment the next hop stands on.
    pub segment: SegmentName,
    /// Derived, not written in the file.
    pub derived: bool,
    /// Where it is defined (the node, if derived).
    pub place: Place,
}

/// An access control list. Replies to what was let through pass by connection state.
#[derive(Clone, Debug, PartialEq)]
pub struct Acl {
    /// Its name.
    pub name: String,
    /// Rules, first match decides.
    pub rules: Vec<AclRule>,
    /// What happens to the rest.
    pub default: AclRule,
}

/// A rule of an ACL. Empty lists mean "any".
#[derive(Clone, Debug, PartialEq)]
pub struct AclRule {
    /// Its id (`P7`); several rules may share one, their counters are added.
    pub id: String,
    /// Permit, or drop.
    pub permit: bool,
    /// What it matches; empty is any packet.
    pub traffic: Vec<Traffic>,
    /// Sources; empty is any.
    pub from: Vec<IpNet>,
    /// Destinations; empty is any.
    pub to: Vec<IpNet>,
    /// Comes in by this segment.
    pub inbound: Option<SegmentName>,
    /// Goes out by this segment.
    pub outbound: Option<SegmentName>,
    /// Colour in pictures.
    pub colour: Option<String>,
    /// A note for people.
    pub note: Option<String>,
    /// Where it is defined.
    pub place: Place,
}

/// A kind of traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// TCP to these destination ports.
    Tcp(RangeInclusive<u16>),
    /// UDP to these destination ports.
    Udp(RangeInclusive<u16>),
    /// ICMP and ICMPv6.
    Icmp,
    /// ICMP errors: unreachable, fragmentation needed, time exceeded, parameter problem.
    IcmpErrors,
    /// Any other IP protocol by number.
    Protocol(u8),
}

/// Address translation at a router.
#[derive(Clone, Debug, PartialEq)]
pub enum Nat {
    /// Source becomes the router's address on `outbound`.
    Masquerade {
        /// Sources translated.
        from: Vec<IpNet>,
        /// The segment it leaves by.
        outbound: SegmentName,
        /// Where it is defined.
        place: Place,
    },
    /// Destination becomes `to` (port forwarding).
    Forward {
        /// The segment it comes in by.
        inbound: SegmentName,
        /// `Tcp` or `Udp`, one port.
        traffic: Traffic,
        /// New destination.
        to: IpAddr,
        /// New port, or the old one.
        port: Option<u16>,
        /// Where it is defined.
        place: Place,
    },
}

/// A service of the catalogue, used on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceUse {
    /// Instance name, unique on the node; the service's name unless given.
    pub name: String,
    /// Name in the catalogue.
    pub service: String,
    /// Options as written, ready for the service's own type.
    pub options: serde_json::Value,
    /// Restart rule.
    pub restart: Restart,
    /// Where it is used.
    pub place: Place,
    /// Where each option stands, by JSON pointer (`/port`).
    pub option_places: BTreeMap<String, Place>,
}

/// A program of the host, run in a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Instance name, unique on the node.
    pub name: String,
    /// Program and arguments, no shell.
    pub argv: Vec<String>,
    /// Further environment.
    pub env: BTreeMap<String, String>,
    /// The user it runs as, root of the node unless given.
    pub user: Option<String>,
    /// How to see that it is healthy; running is enough where absent.
    pub health: Option<ProgramHealth>,
    /// Restart rule.
    pub restart: Restart,
    /// Where it is defined.
    pub place: Place,
}

/// A health check of a host program, made from another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramHealth {
    /// A TCP connection to this port is accepted.
    Tcp(u16),
    /// `GET` of this path over plain HTTP on this port gives a status below 400.
    Http {
        /// Port.
        port: u16,
        /// Path, with the leading slash.
        path: String,
    },
}

/// When a process that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Always, with back-off.
    #[default]
    Always,
    /// When it failed.
    OnFailure,
    /// Never.
    Never,
}

/// A file put into a node before its processes start.
#[derive(Clone, Debug, PartialEq)]
pub struct FileUse {
    /// Absolute path in the node, below /etc, /run, /tmp, /var/tmp, /srv or HOME.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Where it is defined.
    pub place: Place,
}

/// Resource limits of each process of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space, in bytes.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Open files.
    pub open_files: Option<u64>,
}

/// Which clients of a DNS server get which answers.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The node that serves it.
    pub server: NodeName,
    /// Clients that get it; empty is any. The most specific prefix wins.
    pub clients: Vec<IpNet>,
    /// Where names of no zone of the view are asked; none: they do not exist (NXDOMAIN).
    pub forward: Vec<IpAddr>,
    /// Where it is defined.
    pub place: Place,
}

/// A zone as one view shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Origin without the final dot (`contoso.com`); empty is the root.
    pub origin: String,
    /// The view.
    pub view: String,
    /// Its records; the SOA is made by the server, an NS for the server is included.
    pub records: Vec<Record>,
    /// Where it is defined.
    pub place: Place,
}

/// A DNS record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Fully qualified owner, no final dot.
    pub name: String,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// Its data.
    pub data: RecordData,
}

/// The data of a DNS record (RFC 1035, RFC 2782, RFC 3596). Names are fully
/// qualified, without the final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordData {
    /// IPv4 or IPv6 address.
    Address(IpAddr),
    /// Alias.
    Cname(String),
    /// Mail exchanger.
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// The host.
        exchange: String,
    },
    /// Name server.
    Ns(String),
    /// Pointer.
    Ptr(String),
    /// Service location.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among equal priorities.
        weight: u16,
        /// Port.
        port: u16,
        /// The host.
        target: String,
    },
    /// Text; strings over 255 bytes are split by the server.
    Txt(String),
}

/// A VIP and what stands behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancer {
    /// Its name.
    pub name: String,
    /// The node that balances.
    pub node: NodeName,
    /// The addresses it answers on.
    pub vips: Vec<IpAddr>,
    /// How.
    pub mode: BalancerMode,
    /// Where it is defined.
    pub place: Place,
}

impl Balancer {
    /// Its pools with their names, as `lab status` shows them: one that a VIP has alone is called
    /// like the VIP; of several sites each is called by its first host, and by its number where that
    /// is not enough.
    pub fn pools(&self) -> Vec<(String, &Pool)> {
        let sites = match &self.mode {
            BalancerMode::Layer4 { pool, .. } => return vec![(self.name.clone(), pool)],
            BalancerMode::Layer7 { sites, .. } => sites,
        };
        let named = sites.iter().enumerate().map(|(at, site)| {
            let first = site.hosts.first();
            let alike = sites.iter().filter(|other| other.hosts.first() == first);
            let name = match first {
                Some(host) if alike.count() > 1 => format!("{}/{host}#{}", self.name, at + 1),
                Some(host) if sites.len() > 1 => format!("{}/{host}", self.name),
                _ => self.name.clone(),
            };
            (name, &site.pool)
        });
        named.collect()
    }
}

/// How a VIP balances.
#[derive(Clone, Debug, PartialEq)]
pub enum BalancerMode {
    /// In the kernel, connection by connection; destination and source are translated.
    Layer4 {
        /// Ports and protocols balanced; `Tcp` or `Udp`.
        ports: Vec<Traffic>,
        /// Members and their state.
        pool: Pool,
    },
    /// TLS ends here; requests go on over new connections.
    Layer7 {
        /// Port it listens on.
        port: u16,
        /// Clients speak TLS; else plain HTTP.
        tls: bool,
        /// Sites, chosen by host name.
        sites: Vec<Site>,
    },
}

/// A web site published by a layer-7 VIP.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Host names; all are in the VIP's certificate.
    pub hosts: Vec<String>,
    /// Path prefixes published; empty is all.
    pub paths: Vec<String>,
    /// Also published over plain HTTP on this port.
    pub plain: Option<u16>,
    /// Members.
    pub pool: Pool,
    /// Persistence.
    pub affinity: Affinity,
    /// Where it is defined.
    pub place: Place,
}

/// The members behind a VIP or a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Members, in the order of the file.
    pub members: Vec<Member>,
    /// How a member is chosen.
    pub spread: Spread,
    /// The active check.
    pub health: HealthCheck,
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name: the node's, or the VIP's if the member is another VIP.
    pub name: String,
    /// The name its certificate must carry (layer 7).
    pub fqdn: String,
    /// Where it is reached.
    pub address: IpAddr,
    /// Its port (layer 7 and health check; layer 4 keeps the client's port).
    pub port: u16,
}

/// How a member is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// One after the other.
    #[default]
    RoundRobin,
    /// By chance.
    Random,
}

/// An active health check of a pool's members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HealthCheck {
    /// The port asked.
    pub port: u16,
    /// `GET` of this path over TLS, the certificate verified, must give a status below 500;
    /// without it a TCP connection must be accepted.
    pub path: Option<String>,
    /// Between two checks; 50 ms to 60 s.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Persistence of a client to a member (B5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Affinity {
    /// None.
    #[default]
    None,
    /// By a cookie of this name that the balancer sets.
    Cookie(String),
    /// By the value of this request header.
    Header(String),
}

/// Accounts of the lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// NetBIOS name (`CONTOSO`).
    pub domain: String,
    /// Kerberos realm (`CORP.CONTOSO.COM`).
    pub realm: String,
    /// Accounts by name.
    pub users: BTreeMap<String, User>,
    /// Accounts of services by name.
    pub services: BTreeMap<String, ServiceAccount>,
}

/// An account that services run under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// Service principal names (`HTTP/intranet.example.com`), each owned by one account.
    pub principals: Vec<String>,
    /// Nodes whose services run under it.
    pub nodes: Vec<NodeName>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Display name.
    pub name: String,
    /// Password.
    pub password: String,
    /// Mail address.
    pub mail: Option<String>,
    /// SIP address.
    pub sip: Option<String>,
    /// Home of the mailbox.
    pub mailbox: Option<NodeName>,
    /// Groups.
    pub groups: Vec<String>,
    /// The account may not be used.
    pub disabled: bool,
    /// The account's last day is over.
    pub expired: bool,
    /// The password's last day is over.
    pub password_expired: bool,
}
