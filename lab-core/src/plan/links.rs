//! Links and their hardware addresses.

use super::LinkPlan;
use crate::check::{Lab, Node};

/// The legs of a node.
pub(super) fn of(lab: &Lab, node: &Node) -> Vec<LinkPlan> {
    node.attachments
        .iter()
        .map(|leg| {
            let segment_mtu = lab
                .segments
                .get(&leg.segment)
                .map_or(1500, |segment| segment.mtu);
            LinkPlan {
                segment: leg.segment.clone(),
                interface: leg.segment.clone(),
                port: port(&lab.name, &node.name, &leg.segment),
                mac: hardware_address(&lab.name, &node.name, &leg.segment),
                addresses: leg.addresses.clone(),
                mtu: leg.link.mtu.unwrap_or(segment_mtu),
                rate: leg.link.rate,
                delay: leg.link.delay,
                loss_ppm: leg.link.loss_ppm,
                up: true,
                neighbours: Vec::new(),
            }
        })
        .collect()
}

/// The fabric's end: what fits of the node's name, and a hash that makes it unique and lets it stay
/// the same when other legs come and go. At most 15 bytes.
fn port(lab: &str, node: &str, segment: &str) -> String {
    let start: String = node.chars().take(6).collect();
    format!("{start}.{:08x}", hash(lab, node, segment) as u32)
}

/// A locally administered unicast address (IEEE 802c): `02`, then 40 bits of a hash.
fn hardware_address(lab: &str, node: &str, segment: &str) -> String {
    let bytes = hash(lab, node, segment).to_be_bytes();
    let [_, _, _, a, b, c, d, e] = bytes;
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
}

/// FNV-1a, 64 bits: small, and the same everywhere.
fn hash(lab: &str, node: &str, segment: &str) -> u64 {
    format!("{lab}/{node}/{segment}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}
