//! Permanent neighbours: the hardware address of another node is said, not asked for.

use std::io;
use std::net::IpAddr;

use nix::libc;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::route::RouteType;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link::hardware_address;
use super::request::Request;
use crate::plan::NeighbourPlan;

/// Adds a neighbour, or gives it another hardware address.
pub(super) fn add(index: u32, neighbour: &NeighbourPlan) -> io::Result<Request> {
    let mut message = message(index, neighbour);
    message.header.state = NeighbourState::Permanent;
    let mac = hardware_address(&neighbour.mac)?;
    message
        .attributes
        .push(NeighbourAttribute::LinkLocalAddress(mac));
    Ok(Request::new(
        format!("the neighbour {}", neighbour.address),
        RouteNetlinkMessage::NewNeighbour(message),
        NLM_F_CREATE | NLM_F_REPLACE,
    ))
}

/// The requests that lead from one list to another.
pub(super) fn change(
    index: u32,
    from: &[NeighbourPlan],
    to: &[NeighbourPlan],
) -> io::Result<Vec<Request>> {
    let old = from
        .iter()
        .filter(|had| to.iter().all(|kept| kept.address != had.address));
    let mut requests: Vec<Request> = old
        .map(|neighbour| {
            let message = RouteNetlinkMessage::DelNeighbour(message(index, neighbour));
            let what = format!("to forget the neighbour {}", neighbour.address);
            Request::new(what, message, 0).satisfied_by(&[libc::ENOENT])
        })
        .collect();
    for neighbour in to.iter().filter(|neighbour| !from.contains(neighbour)) {
        requests.push(add(index, neighbour)?);
    }
    Ok(requests)
}

fn message(index: u32, neighbour: &NeighbourPlan) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = index;
    message.header.kind = RouteType::Unspec;
    message.header.family = match neighbour.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let address = match neighbour.address {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => address.into(),
    };
    message
        .attributes
        .push(NeighbourAttribute::Destination(address));
    message
}
