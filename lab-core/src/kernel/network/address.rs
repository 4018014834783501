//! Addresses of interfaces.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use nix::libc;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::request::Request;

/// Gives an interface an address, usable at once: duplicates were excluded when the lab was
/// checked, so none are looked for (RFC 4862 §5.4 would take a second).
pub(super) fn add(index: u32, interface: &str, address: &IpNet) -> Request {
    let mut message = message(index, address);
    match address {
        // A /31 and a /32 have none (RFC 3021).
        IpNet::V4(address) if address.prefix_len() < 31 => {
            let broadcast: Ipv4Addr = address.broadcast();
            message
                .attributes
                .push(AddressAttribute::Broadcast(broadcast));
        }
        IpNet::V4(_) => {}
        IpNet::V6(_) => message.header.flags = AddressHeaderFlags::Nodad,
    }
    Request::new(
        format!("the address {address} on {interface}"),
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// Takes an address away.
pub(super) fn remove(index: u32, interface: &str, address: &IpNet) -> Request {
    Request::new(
        format!("to take the address {address} off {interface}"),
        RouteNetlinkMessage::DelAddress(message(index, address)),
        0,
    )
    .satisfied_by(&[libc::EADDRNOTAVAIL])
}

/// The requests that lead from one list of addresses to another. A new one comes before an old
/// one goes, so that the routes over their prefix stay. Needs `promote_secondaries`: without it
/// an IPv4 address takes those of its prefix with it that were added later.
pub(super) fn change(index: u32, interface: &str, from: &[IpNet], to: &[IpNet]) -> Vec<Request> {
    let new = to.iter().filter(|address| !from.contains(address));
    let old = from.iter().filter(|address| !to.contains(address));
    let mut requests: Vec<Request> = new.map(|address| add(index, interface, address)).collect();
    requests.extend(old.map(|address| remove(index, interface, address)));
    // The kernel sends from the address that has been there longest. Where that shall be another
    // one now, those that stay move behind it.
    let first = |addresses: &[IpNet]| {
        addresses
            .iter()
            .copied()
            .find(|address| address.addr().is_ipv4())
    };
    if let Some(primary) = first(to)
        && first(from) != Some(primary)
    {
        let stay = to.iter().filter(|address| {
            address.addr().is_ipv4() && **address != primary && from.contains(address)
        });
        for address in stay {
            requests.push(remove(index, interface, address));
            requests.push(add(index, interface, address));
        }
    }
    requests
}

fn message(index: u32, address: &IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.header.family = match address.addr() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message
        .attributes
        .push(AddressAttribute::Local(address.addr()));
    message
        .attributes
        .push(AddressAttribute::Address(address.addr()));
    message
}
