//! A connection's first packet, hop by hop: what each node's chains and routes do to it.

use std::net::IpAddr;

use super::back::{self, Answer};
use super::kind::Kind;
use super::listen::listener;
use super::members::Spread;
use super::nearest::nearest;
use super::network::{Model, Routed};
use super::rules::{Seen, State, decide};
use super::way::{End, Hop, Outcome, Packet, Step, Then, Verdict, Way};
use crate::plan::{Action, Hook, LinkPlan, NodePlan, Rule, Target};

/// Most nodes passed: a packet begins with this many hops to live (`ip_default_ttl`).
const MOST_HOPS: usize = 64;

/// What a node keeps in mind of a connection that passed it (conntrack).
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    pub node: String,
    /// As it arrived.
    pub original: Packet,
    /// As it left.
    pub translated: Packet,
}

/// What is known of a way up to a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    pub remembered: Vec<Remembered>,
    origin: String,
    been: Vec<(String, Packet)>,
}

/// A packet at a node.
#[derive(Clone, Copy)]
pub(super) struct Standing<'l> {
    pub node: &'l NodePlan,
    pub inbound: Option<&'l str>,
    /// As it arrived.
    pub arrived: Packet,
    /// After what was done to it so far.
    pub packet: Packet,
    translated: bool,
}

/// A way in the making.
pub(super) struct Making {
    pub hops: Vec<Hop>,
    pub trail: Trail,
}

impl Making {
    pub fn step(&mut self, step: Step) {
        if let Some(hop) = self.hops.last_mut() {
            hop.steps.push(step);
        }
    }
}

impl<'l> Model<'l> {
    /// The way of a first packet from a node. Its source is the address that the node would take, as
    /// far as it has one.
    pub fn way(&self, from: &'l NodePlan, to: IpAddr, kind: Kind) -> Way {
        let source = match self.route(from, to) {
            Routed::Here => Some(to),
            Routed::Out { link, hop, .. } => Self::address_on(link, hop),
            Routed::Nowhere => None,
        };
        let any = from.links.iter().flat_map(|link| &link.addresses);
        let source = source
            .or_else(|| {
                any.map(ipnet::IpNet::addr)
                    .find(|own| own.is_ipv4() == to.is_ipv4())
            })
            .unwrap_or(to);
        let packet = Packet {
            source,
            destination: to,
            kind,
        };
        let trail = Trail {
            origin: from.name.clone(),
            ..Trail::default()
        };
        let making = Making {
            hops: Vec::new(),
            trail,
        };
        self.arrive(from, None, packet, making)
    }

    fn arrive(
        &self,
        node: &'l NodePlan,
        inbound: Option<&'l str>,
        packet: Packet,
        mut making: Making,
    ) -> Way {
        making.hops.push(Hop {
            node: node.name.clone(),
            inbound: inbound.map(str::to_owned),
            packet,
            steps: Vec::new(),
        });
        let at = Standing {
            node,
            inbound,
            arrived: packet,
            packet,
            translated: false,
        };
        let here = (node.name.clone(), packet);
        if making.trail.been.contains(&here) || making.trail.been.len() >= MOST_HOPS {
            return self.end(at, End::Circle, making);
        }
        making.trail.been.push(here);
        // A packet that nobody can route never gets as far as translation where it is made.
        if inbound.is_none() && matches!(self.route(node, packet.destination), Routed::Nowhere) {
            return self.end(at, End::NoRoute, making);
        }
        let hook = match inbound {
            None => Hook::Output,
            Some(_) => Hook::Prerouting,
        };
        let outbound = match (inbound, self.route(node, packet.destination)) {
            (None, Routed::Out { link, .. }) => Some(link.interface.as_str()),
            (None, Routed::Here) => Some("lo"),
            _ => None,
        };
        let seen = Seen {
            packet,
            state: State::New,
            translated: false,
            inbound,
            outbound,
        };
        match decide(&node.rules, hook, &seen) {
            Some(Rule {
                action: Action::Dnat { targets, random },
                id,
                place,
                ..
            }) => match (self.vip(node, id), &targets[..]) {
                (Some(vip), targets) => {
                    let spread = Spread {
                        vip,
                        random: *random,
                        rule: id,
                        place: place.as_ref(),
                    };
                    self.choose(at, targets, &spread, making)
                }
                (None, [target, ..]) => self.translate(at, target, id, place.as_ref(), making),
                (None, []) => self.send(at, making),
            },
            _ => self.send(at, making),
        }
    }

    pub(super) fn translate(
        &self,
        mut at: Standing<'l>,
        target: &Target,
        rule: &str,
        place: Option<&String>,
        mut making: Making,
    ) -> Way {
        let was = at.packet.destination;
        at.packet.destination = target.address;
        if let Some(port) = target.port {
            at.packet.kind = at.packet.kind.with_port(port);
        }
        at.translated = true;
        making.step(Step::Destination {
            was,
            becomes: target.address,
            port: target
                .port
                .filter(|port| Some(*port) != at.arrived.kind.port()),
            rule: rule.into(),
            place: place.cloned(),
        });
        self.send(at, making)
    }

    /// Routes, filters and sends it.
    pub(super) fn send(&self, at: Standing<'l>, mut making: Making) -> Way {
        let (link, hop, route, prefix) = match self.route(at.node, at.packet.destination) {
            Routed::Here => return self.deliver(at, making),
            Routed::Nowhere
                if at.inbound.is_some() && !Self::forwards(at.node, at.packet.destination) =>
            {
                return self.end(at, End::NotForwarded, making);
            }
            Routed::Nowhere => return self.end(at, End::NoRoute, making),
            Routed::Out {
                link,
                hop,
                route,
                prefix,
            } => (link, hop, route, prefix),
        };
        if at.inbound.is_some() && !Self::forwards(at.node, at.packet.destination) {
            return self.end(at, End::NotForwarded, making);
        }
        making.step(Step::Route {
            to: prefix,
            via: route.map(|route| route.via),
            node: route.and_then(|route| self.holder(route.via).map(str::to_owned)),
            interface: link.interface.clone(),
            place: route
                .filter(|route| route.place.line > 0)
                .map(|route| route.place.to_string()),
        });
        if at.inbound.is_some() {
            let seen = at.seen(at.inbound, Some(&link.interface));
            if let Some(end) = self.filter(at.node, Hook::Forward, "forward", &seen, &mut making) {
                return self.end(at, end, making);
            }
        }
        let packet = self.source(at, link, hop, &mut making);
        making.trail.remembered.push(Remembered {
            node: at.node.name.clone(),
            original: at.arrived,
            translated: packet,
        });
        match self.neighbour(link, hop) {
            Some((next, leg)) => self.arrive(next, Some(&leg.interface), packet, making),
            None => self.end(at, End::Nobody { address: hop }, making),
        }
    }

    /// What it looks like after source translation.
    fn source(
        &self,
        at: Standing<'l>,
        link: &'l LinkPlan,
        hop: IpAddr,
        making: &mut Making,
    ) -> Packet {
        // No incoming interface is known any more where it was made here.
        let seen = at.seen(at.inbound, Some(&link.interface));
        let Some(rule) = decide(&at.node.rules, Hook::Postrouting, &seen) else {
            return at.packet;
        };
        let becomes = match rule.action {
            Action::Masquerade => Model::address_on(link, hop),
            Action::Snat(address) => Some(address),
            _ => None,
        };
        let Some(becomes) = becomes else {
            return at.packet;
        };
        let was = at.packet.source;
        if was != becomes {
            making.step(Step::Source {
                was,
                becomes,
                rule: rule.id.clone(),
                place: rule.place.clone(),
            });
        }
        Packet {
            source: becomes,
            ..at.packet
        }
    }

    fn deliver(&self, at: Standing<'l>, mut making: Making) -> Way {
        let seen = at.seen(Some(at.inbound.unwrap_or("lo")), None);
        if let Some(end) = self.filter(at.node, Hook::Input, "input", &seen, &mut making) {
            return self.end(at, end, making);
        }
        making.trail.remembered.push(Remembered {
            node: at.node.name.clone(),
            original: at.arrived,
            translated: at.packet,
        });
        let end = listener(at.node, at.packet);
        self.end(at, end, making)
    }

    /// Notes the verdict of a filter chain, if there is one; gives the end where it does not pass.
    fn filter(
        &self,
        node: &'l NodePlan,
        hook: Hook,
        chain: &'static str,
        seen: &Seen<'_>,
        making: &mut Making,
    ) -> Option<End> {
        let verdict = self.verdict(node, hook, chain, seen)?;
        let rejects =
            decide(&node.rules, hook, seen).map(|rule| &rule.action) == Some(&Action::Reject);
        let end = match (verdict.passes, rejects) {
            (true, _) => None,
            (false, true) => Some(End::Rejected),
            (false, false) => Some(End::Dropped),
        };
        making.step(Step::Verdict(verdict));
        end
    }

    /// What a filter chain decides; none where the node has no such chain.
    pub(super) fn verdict(
        &self,
        node: &NodePlan,
        hook: Hook,
        chain: &'static str,
        seen: &Seen<'_>,
    ) -> Option<Verdict> {
        let rules = &node.rules.chains;
        rules.iter().find(|chain| chain.hook == Some(hook))?;
        let rule = decide(&node.rules, hook, seen);
        let passes = rule.is_none_or(|rule| !matches!(rule.action, Action::Drop | Action::Reject));
        Some(Verdict {
            chain,
            passes,
            rule: rule.map(|rule| rule.id.clone()),
            note: rule.and_then(|rule| self.note(&node.name, rule)),
            place: rule.and_then(|rule| rule.place.clone()),
            default: rule.is_some_and(|rule| rule.mark.is_some() && rule.matches.is_empty()),
            nearest: match passes {
                true => None,
                false => nearest(self, node, hook, rule, seen),
            },
        })
    }

    /// How it ends, and whether the answer finds the way back.
    fn end(&self, at: Standing<'l>, end: End, making: Making) -> Way {
        let answers = match end {
            End::Listens { .. }
            | End::Closed
            | End::Unknown
            | End::Rejected
            | End::NoRoute
            | End::Nobody { .. }
            | End::Circle => true,
            End::Dropped | End::NotForwarded => false,
        };
        let back = (answers && at.node.name != making.trail.origin).then(|| {
            let reply = Packet {
                source: at.packet.destination,
                destination: at.packet.source,
                kind: at.packet.kind,
            };
            let answer = match (&end, at.packet.kind) {
                (End::Listens { .. } | End::Unknown, _) => Answer::Reply,
                (End::Closed | End::Rejected, Kind::Tcp(_)) => Answer::Reply,
                _ => Answer::Error,
            };
            let trail = &making.trail;
            back::follow(
                self,
                at.node,
                reply,
                answer,
                &trail.remembered,
                &trail.origin,
            )
        });
        let outcome = match end {
            _ if back.as_ref().is_some_and(|back| !back.arrives) => Outcome::Dropped,
            End::Listens { .. } => Outcome::Open,
            End::Unknown => Outcome::Reached,
            End::Closed | End::Rejected => Outcome::Refused,
            End::NoRoute | End::Nobody { .. } | End::Circle => Outcome::Unreachable,
            End::Dropped | End::NotForwarded => Outcome::Dropped,
        };
        Way {
            hops: making.hops,
            then: Then::End {
                end,
                back,
                outcome,
                onward: Vec::new(),
                unpublished: None,
            },
        }
    }
}

impl<'l> Standing<'l> {
    fn seen(&self, inbound: Option<&'l str>, outbound: Option<&'l str>) -> Seen<'l> {
        Seen {
            packet: self.packet,
            state: State::New,
            translated: self.translated,
            inbound,
            outbound,
        }
    }
}
