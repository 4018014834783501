//! From what was seen to a journey. Pure: it looks up what was seen, and decides nothing about what
//! should have been.

use std::ops::Range;

use super::begun::{before_translation, begun_by};
use super::headers::Kind;
use super::journey::{
    Decision, Did, End, Flow, Handling, Hop, Journey, Translation, Unreached, Verdict,
};
use super::seen::{KnownAs, Observations, SeenDecision, SeenNeighbour, SeenPacket};
use super::span::Deed;
use super::tuple::Tuple;

/// Longest way, in hops: more is a loop.
const LONGEST: usize = 32;
/// Deepest chain of conversations begun for one another.
const DEEPEST: usize = 16;
/// What belongs to a conversation may be seen so many microseconds before it is said to have begun:
/// packets, decisions and spans come by different sockets, and a service may time the request only.
pub(super) const SLACK: u64 = 1_000_000;
/// The same where only the time tells them apart.
const NEAR: u64 = 20_000;
/// NF_DROP and NF_ACCEPT.
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
/// The table that has packets traced.
const WATCH: &str = "tierlab-watch";

/// What a node began since one moment and before another (microseconds since the epoch), and what
/// came of it.
pub fn journey(
    seen: &Observations,
    lab: &str,
    from: &str,
    time: Range<u64>,
    asked: &str,
) -> Journey {
    let since = time.start;
    let flows = begun_by(seen, from, time)
        .into_iter()
        .map(|(tuple, began)| flow(seen, from, tuple, began, 0))
        .collect::<Vec<_>>();
    let ended = flows.iter().map(|flow| flow.began + flow.micros).max();
    Journey {
        version: super::VERSION,
        lab: lab.to_owned(),
        from: from.to_owned(),
        asked: asked.to_owned(),
        began: since,
        micros: ended.unwrap_or(since).saturating_sub(since),
        status: None,
        unreached: seen
            .unreached(from, since)
            .into_iter()
            .map(unreached)
            .collect(),
        flows,
        gaps: seen.gaps.clone(),
    }
}

fn flow(seen: &Observations, from: &str, tuple: Tuple, began: u64, depth: usize) -> Flow {
    let origin = handling(seen, from, tuple, began);
    let first = origin.translated.as_ref().map_or(tuple, |one| one.to);
    let mut hops: Vec<Hop> = Vec::new();
    let mut way = Way {
        seen,
        node: from.to_owned(),
        tuple: first,
        began,
    };
    let mut lost_on = None;
    let mut arrived = false;
    while hops.len() < LONGEST {
        let Some((segment, next)) = way.next(&mut lost_on) else {
            break;
        };
        let handling = handling(seen, &next, way.tuple, began);
        let goes_on = handling.translated.as_ref().map_or(way.tuple, |one| one.to);
        hops.push(Hop {
            node: next.clone(),
            segment,
            tuple: way.tuple,
            handling,
        });
        way.node = next;
        way.tuple = goes_on;
        lost_on = None;
        if seen.owns(&way.node, goes_on.destination.ip()) {
            arrived = true;
            break;
        }
    }
    // What a node says to itself crosses no link: that it was heard, its service alone can tell.
    let to_itself = hops.is_empty() && seen.owns(from, first.destination.ip());
    let deeds = if (arrived || to_itself) && depth < DEEPEST {
        deeds(seen, &way.node, way.tuple, began, depth)
    } else {
        Vec::new()
    };
    let end = if to_itself && !deeds.is_empty() {
        End::Answered
    } else {
        end(seen, from, first, began, &hops, arrived, lost_on)
    };
    let own: Vec<&SeenPacket> = seen
        .packets
        .iter()
        .filter(|packet| packet.node == from && belongs(packet, first))
        .filter(|packet| packet.at + SLACK >= began)
        .collect();
    let last = own.iter().map(|packet| packet.at).max();
    Flow {
        from: from.to_owned(),
        tuple,
        began,
        micros: last.unwrap_or(began).saturating_sub(began),
        closed: own.iter().any(|packet| packet.ends()),
        kept: !own
            .iter()
            .any(|packet| packet.packet.tuple == first && packet.may_begin()),
        origin,
        hops,
        end,
        deeds,
    }
}

fn unreached(silent: &SeenNeighbour) -> Unreached {
    Unreached {
        node: silent.node.clone(),
        segment: silent.segment.clone(),
        address: silent.address,
    }
}

fn belongs(packet: &SeenPacket, tuple: Tuple) -> bool {
    packet.packet.tuple == tuple || packet.packet.tuple == tuple.reversed()
}

/// A conversation on its way.
struct Way<'a> {
    seen: &'a Observations,
    node: String,
    tuple: Tuple,
    began: u64,
}

impl Way<'_> {
    /// The segment it leaves its node by and the node that it comes to. `lost_on` becomes the
    /// segment where it left and came to nobody.
    fn next(&self, lost_on: &mut Option<String>) -> Option<(String, String)> {
        let here = |packet: &&SeenPacket| {
            packet.packet.tuple == self.tuple && packet.at + SLACK >= self.began
        };
        let mut on_the_way = self.seen.packets.iter().filter(here);
        let left = on_the_way.find(|packet| packet.leaves && packet.node == self.node)?;
        let mut on_the_way = self.seen.packets.iter().filter(here);
        let came = on_the_way.find(|packet| {
            !packet.leaves && packet.segment == left.segment && packet.node != self.node
        });
        if came.is_none() {
            *lost_on = Some(left.segment.clone());
        }
        Some((left.segment.clone(), came?.node.clone()))
    }
}

/// What a node's kernel did with a conversation that came to it, or begins at it, as `tuple`.
fn handling(seen: &Observations, node: &str, tuple: Tuple, began: u64) -> Handling {
    let decisions = decisions_on(seen, node, tuple, began);
    let known = |one: &SeenDecision| -> KnownAs {
        let rule = one.handle.and_then(|handle| {
            seen.rules
                .get(node)
                .and_then(|rules| rules.get(&(one.table.clone(), handle)))
        });
        rule.cloned().unwrap_or_else(|| KnownAs {
            id: match one.handle {
                Some(handle) => format!("rule {handle} of chain {}, gone by now", one.chain),
                None => format!("the policy of chain {}", one.chain),
            },
            place: None,
            note: None,
        })
    };
    let decided = decisions.iter().filter_map(|one| {
        let decision = match (one.verdict?, one.handle) {
            (DROP, _) => Decision::Drop,
            (ACCEPT, Some(_)) => Decision::Accept,
            _ => return None,
        };
        Some((*one, decision))
    });
    let (translating, filtering): (Vec<_>, Vec<_>) =
        decided.partition(|(one, decision)| translates(one) && *decision == Decision::Accept);
    let verdicts = filtering
        .into_iter()
        .map(|(one, decision)| {
            let rule = known(one);
            Verdict {
                chain: one.chain.clone(),
                rule: rule.id,
                note: rule.note,
                place: rule.place,
                decision,
            }
        })
        .collect();
    let connection = seen
        .tracked
        .get(node)
        .into_iter()
        .flatten()
        .rfind(|one| one.original == tuple);
    let translated = connection
        .filter(|one| one.onward != tuple)
        .map(|connection| {
            let rule = translating.first().map(|(one, _)| known(one));
            let moved = connection.onward.destination.ip() != tuple.destination.ip();
            let member = seen
                .owner(connection.onward.destination.ip())
                .filter(|_| moved)
                .map(str::to_owned);
            let vip = rule.as_ref().and_then(|rule| rule.id.strip_prefix("vip "));
            let reason = vip.and_then(|vip| seen.reason(vip));
            Translation {
                to: connection.onward,
                rule: rule.as_ref().map(|rule| rule.id.clone()),
                place: rule.and_then(|rule| rule.place),
                reason: reason.filter(|_| member.is_some()),
                member,
            }
        });
    Handling {
        verdicts,
        translated,
    }
}

/// Whether a decision is one of the lab's own chains that translate.
fn translates(one: &SeenDecision) -> bool {
    one.table == "tierlab" && !matches!(one.chain.as_str(), "input" | "forward")
}

/// What rules decided on the first packet of a conversation as it came.
fn decisions_on<'a>(
    seen: &'a Observations,
    node: &str,
    tuple: Tuple,
    began: u64,
) -> Vec<&'a SeenDecision> {
    let all = seen
        .decisions
        .get(node)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let first = all
        .iter()
        .position(|one| one.tuple == Some(tuple) && one.at + SLACK >= began);
    let Some(first) = first else {
        return Vec::new();
    };
    let packet = all[first].packet;
    let mut decisions: Vec<&SeenDecision> = Vec::new();
    for one in all[first..].iter().filter(|one| one.packet == packet) {
        // Headers are told once a chain.
        let again = one.tuple.is_some()
            && decisions.iter().any(|known| {
                known.tuple.is_some() && (&known.table, &known.chain) == (&one.table, &one.chain)
            });
        // The kernel gives the number of a packet that is gone to another one.
        if again {
            break;
        }
        decisions.push(one);
    }
    decisions.retain(|one| one.table != WATCH);
    decisions
}

fn end(
    seen: &Observations,
    from: &str,
    sent: Tuple,
    began: u64,
    hops: &[Hop],
    arrived: bool,
    lost_on: Option<String>,
) -> End {
    let back: Vec<&SeenPacket> = seen
        .packets
        .iter()
        .filter(|packet| packet.node == from && !packet.leaves && packet.at + SLACK >= began)
        .collect();
    let answer = |packet: &&&SeenPacket| packet.packet.tuple == sent.reversed();
    if back.iter().filter(answer).any(|packet| packet.answers()) {
        return End::Answered;
    }
    if back.iter().filter(answer).any(|packet| packet.resets()) {
        return End::Refused;
    }
    for packet in &back {
        if let Kind::Error { why, port, about } = packet.packet.kind
            && about == sent
        {
            let by = seen.owner(packet.packet.tuple.source.ip());
            let by = by.unwrap_or("somebody outside the lab").to_owned();
            return if port {
                End::Refused
            } else {
                End::Unreachable {
                    by,
                    why: why.to_owned(),
                }
            };
        }
    }
    let last = hops.last().and_then(|hop| hop.handling.verdicts.last());
    if last.is_some_and(|verdict| verdict.decision == Decision::Drop) {
        return End::Dropped;
    }
    if arrived {
        return End::Unanswered;
    }
    let at = hops.last().map_or(from, |hop| &hop.node);
    let silent = seen.unreached(at, began.saturating_sub(SLACK));
    let to = hops.last().map_or(sent, |hop| hop.tuple).destination.ip();
    // The destination itself; else the next hop to it.
    let itself = silent.iter().find(|silent| silent.address == to);
    match itself.or(silent.first()) {
        Some(silent) if lost_on.is_none() => End::NoNeighbour(unreached(silent)),
        _ => End::Lost { segment: lost_on },
    }
}

/// What the service at the end of a conversation did with it.
fn deeds(seen: &Observations, node: &str, tuple: Tuple, began: u64, depth: usize) -> Vec<Did> {
    seen.spans
        .iter()
        .filter(|span| span.node == node && span.span.tuple == tuple)
        .filter(|span| span.span.at + SLACK >= began)
        .map(|span| {
            let flow = match &span.span.deed {
                Deed::Onward {
                    tuple,
                    micros,
                    kept,
                    ..
                } => begun(seen, node, *tuple, span.span.at, *micros)
                    // Of a connection that was there before anybody watched, nothing was seen.
                    .filter(|(tuple, _)| !kept || is_seen(seen, *tuple))
                    .map(|(tuple, at)| Box::new(flow(seen, node, tuple, at, depth + 1))),
                _ => None,
            };
            Did {
                at: span.span.at,
                deed: span.span.deed.clone(),
                flow,
            }
        })
        .collect()
}

/// Whether a packet of a conversation was seen anywhere.
fn is_seen(seen: &Observations, tuple: Tuple) -> bool {
    let mut packets = seen.packets.iter();
    packets.any(|packet| packet.packet.tuple == tuple)
}

/// The conversation that a span speaks of, and when it began. Where the span does not know the
/// port that it came from, it is the one begun to that place in its time.
fn begun(
    seen: &Observations,
    node: &str,
    tuple: Tuple,
    told: u64,
    micros: u64,
) -> Option<(Tuple, u64)> {
    let asked = told.saturating_sub(micros).saturating_sub(NEAR);
    if tuple.source.port() != 0 {
        return Some((tuple, told.saturating_sub(micros)));
    }
    seen.packets
        .iter()
        .filter(|packet| packet.node == node && packet.leaves && packet.may_begin())
        .filter(|packet| packet.at >= asked && packet.at <= told + NEAR)
        .map(|packet| {
            (
                before_translation(seen, node, packet.packet.tuple),
                packet.at,
            )
        })
        .find(|(sent, _)| sent.destination == tuple.destination)
}
