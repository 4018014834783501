//! The rule that would almost have let pass what one dropped. It is advice, taken from the lab file as the
//! lab has it: what a rule decided was seen, what another one would have decided was not.

use lab_core::observe::{Hop, Verdict, protocol};
use lab_core::plan::Plan;
use lab_core::predict::{Kind, Nearest, Packet};

use crate::explained::almost;

/// A sentence without its full stop; none where a rule decided that the lab file does not have.
pub(super) fn nearest(plan: &Plan, hop: &Hop, verdict: &Verdict) -> Option<String> {
    let came = (hop.handling.translated.as_ref()).map_or(hop.tuple, |translated| translated.to);
    let port = came.destination.port();
    let kind = match came.protocol {
        protocol::TCP => Kind::Tcp(port),
        protocol::UDP => Kind::Udp(port),
        protocol::ICMP | protocol::ICMPV6 => Kind::Icmp,
        other => Kind::Protocol(other),
    };
    let packet = Packet {
        source: came.source.ip(),
        destination: came.destination.ip(),
        kind,
    };
    let place = verdict.place.as_ref()?;
    Nearest::to(plan, &hop.node, &hop.segment, &verdict.chain, place, packet)
        .map(|found| almost(&found))
}
