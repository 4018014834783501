//! Nodes: where they stand, where they send what, what runs on them.

use super::certificates::Certificate;
use super::leg::Legs;
use super::program::{FileSource, Limits, Programs};
use super::record::record;
use super::service::ServiceUse;
use super::{Many, Map, OneOrMore, Spanned};

record! {
    /// A host or a router; with `count`, several alike.
    Node, "a node" {
        /// How many; they are called `name1`, `name2`, ….
        count: Option<Spanned<u32>>,
        /// Forwards packets between its segments.
        router: Option<bool>,
        /// The segments it stands on: a name, a list, or a map of segment to address.
        on: Legs,
        /// Labels of some of its addresses, used as `node.label`.
        names: Map<Spanned<String>>,
        /// Its domain, instead of the lab's.
        domain: Option<Spanned<String>>,
        /// Further names in its certificate.
        aliases: Many<Spanned<String>>,
        /// Its name servers, instead of the lab's: nodes or addresses.
        resolvers: Option<Many<Spanned<String>>>,
        /// Search domain.
        search: Option<Spanned<String>>,
        /// Routes: a prefix, `default`, a segment or a pool → a node or an address.
        routes: Map<Spanned<String>>,
        /// The ACL on what it forwards and on what is sent to itself.
        acl: Option<Spanned<String>>,
        /// Sources that become the router's own address.
        masquerade: Many<Masquerade>,
        /// Ports of the router that lead to other nodes.
        forward: Many<Forward>,
        /// The one service it runs; short for `services`.
        service: Option<ServiceUse>,
        /// Services it runs: names, or maps of name → options.
        services: Many<ServiceUse>,
        /// Programs of the host it runs: an argument list, a map, or a list of such.
        programs as "run": Programs,
        /// Files put in place: absolute path → text, or where it comes from.
        files: Map<FileSource>,
        /// Further certificates, by the name of their files below `/etc/tierlab`; `node` is its own.
        certificates: Map<Certificate>,
        /// Environment of all that runs in it.
        env: Map<String>,
        /// Limits of each of its processes.
        limits: Option<Limits>,
    }
}

record! {
    /// Source address translation.
    Masquerade, "a masquerade" {
        /// Sources translated: prefix, segment, pool or node.
        from: OneOrMore<Spanned<String>>,
        /// The segment they leave by.
        out: Spanned<String>,
    }
}

record! {
    /// Port forwarding.
    Forward, "a port forwarding" {
        /// The segment it comes in by.
        inbound as "in": Spanned<String>,
        /// The TCP port.
        tcp: Option<Spanned<u16>>,
        /// The UDP port.
        udp: Option<Spanned<u16>>,
        /// Where it goes: a node or an address.
        to: Spanned<String>,
        /// The port there; the same unless given.
        port: Option<Spanned<u16>>,
    }
}
