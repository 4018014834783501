//! Balancers: VIPs and what stands behind them.

use serde_json::json;

use super::decode::{Fields, wrong_type};
use super::record::{record, words};
use super::units::Time;
use super::{Decode, Diagnostic, Many, OneOrMore, Spanned, Tree};

record! {
    /// A VIP and what stands behind it.
    Balancer, "a balancer" {
        /// The node that balances.
        node as "on": Spanned<String>,
        /// Its address, or a list of addresses.
        vip: OneOrMore<Spanned<String>>,
        /// 4 spreads connections, 7 requests; 7 if there are sites, else 4.
        layer: Option<Spanned<u8>>,
        /// Layer 4: ports balanced (`tcp/443`).
        ports: Many<Spanned<String>>,
        /// Layer 4: members, by node, group, node.label or balancer.
        members: Many<Spanned<String>>,
        /// Layer 4: how a member is chosen.
        spread: Option<Spread>,
        /// Layer 4: health check of the members.
        health: Option<Health>,
        /// Layer 7: the port it listens on; 443 with TLS, else 80, unless given.
        port: Option<Spanned<u16>>,
        /// Layer 7: clients speak TLS; `true` unless given.
        tls: Option<bool>,
        /// Layer 7: sites, chosen by host name.
        sites: Vec<Site>,
    }
}

record! {
    /// A web site published by a layer-7 VIP.
    Site, "a site" {
        /// Host names.
        hosts: OneOrMore<Spanned<String>>,
        /// Members, by node, group, node.label or balancer.
        members: OneOrMore<Spanned<String>>,
        /// Port of the members; the balancer's unless given.
        member_port: Option<Spanned<u16>>,
        /// The name the members' certificates carry; each node's own unless given.
        member_fqdn: Option<Spanned<String>>,
        /// Path prefixes published; all unless given.
        paths: Many<Spanned<String>>,
        /// Keeps a client at one member: `{ cookie: NAME }` or `{ header: NAME }`.
        affinity: Option<Affinity>,
        /// How a member is chosen.
        spread: Option<Spread>,
        /// Health check of the members.
        health: Option<Health>,
        /// Also published over plain HTTP on this port.
        plain: Option<Spanned<u16>>,
    }
}

record! {
    /// A health check of members.
    Health, "a health check" {
        /// Port asked; the members' unless given.
        port: Option<Spanned<u16>>,
        /// Path asked over TLS; without it a TCP connection must be accepted.
        path: Option<Spanned<String>>,
        /// Between two checks, 50 ms to 60 s; `400ms` unless given.
        every: Option<Spanned<Time>>,
        /// How long an answer may take, 10 ms to 60 s; `500ms` unless given.
        timeout: Option<Spanned<Time>>,
    }
}

words! {
    /// How a member is chosen.
    Spread, "a way to spread" {
        /// One after the other.
        RoundRobin = "round-robin",
        /// By chance.
        Random = "random",
    }
}

/// What keeps a client at one member.
#[derive(Clone, Debug, PartialEq)]
pub enum Affinity {
    /// A cookie of this name.
    Cookie(Spanned<String>),
    /// A request header of this name.
    Header(Spanned<String>),
}

impl Decode for Affinity {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let mut fields = Fields::open(tree, "an affinity", diagnostics)?;
        let cookie: Option<Spanned<String>> = fields.take("cookie", diagnostics)?;
        let header: Option<Spanned<String>> = fields.take("header", diagnostics)?;
        fields.close(diagnostics);
        match (cookie, header) {
            (Some(name), None) => Some(Self::Cookie(name)),
            (None, Some(name)) => Some(Self::Header(name)),
            _ => {
                let wanted = "either `{ cookie: NAME }` or `{ header: NAME }`";
                wrong_type(tree, wanted, diagnostics);
                None
            }
        }
    }
    fn schema() -> serde_json::Value {
        json!({
            "type": "object",
            "properties": { "cookie": { "type": "string" }, "header": { "type": "string" } },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}
