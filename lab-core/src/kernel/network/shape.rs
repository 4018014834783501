//! What a wire does to packets: rate (tbf), delay and loss (netem), on what the node sends.
//!
//! The layout of the options is that of linux/pkt_sched.h; rtnetlink has none for these two.

use std::io;
use std::time::Duration;

use nix::libc;
use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use super::request::Request;
use crate::plan::LinkPlan;

const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TCA_NETEM_LATENCY64: u16 = 10;
/// What a rate counts: whole Ethernet frames, without a table for cells.
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// Packets that a delayed wire holds: a gigabit at 100 ms.
const NETEM_LIMIT: u32 = 10_000;
/// How long a packet waits for a slow wire before it is dropped.
const TBF_PATIENCE: Duration = Duration::from_millis(100);

/// Whether a link shapes at all.
pub(super) fn is_shaped(link: &LinkPlan) -> bool {
    link.rate.is_some() || link.delay.is_some() || link.loss_ppm.is_some()
}

/// Whether two links shape alike.
pub(super) fn alike(a: &LinkPlan, b: &LinkPlan) -> bool {
    (a.rate, a.delay, a.loss_ppm, a.mtu) == (b.rate, b.delay, b.loss_ppm, b.mtu)
        || !(is_shaped(a) || is_shaped(b))
}

/// Lets an unshaped interface shape as the link says: netem outside, tbf within.
pub(super) fn add(index: u32, link: &LinkPlan) -> io::Result<Vec<Request>> {
    let mut requests = Vec::new();
    let mut parent = TcHandle::ROOT;
    if link.delay.is_some() || link.loss_ppm.is_some() {
        let delay = link.delay.unwrap_or_default();
        let options = netem(delay, link.loss_ppm.unwrap_or_default());
        let what = format!("the delay and loss of {} (they need netem)", link.interface);
        let handle = TcHandle { major: 1, minor: 0 };
        requests.push(discipline(what, index, "netem", handle, parent, options)?);
        parent = TcHandle { major: 1, minor: 1 };
    }
    if let Some(rate) = link.rate {
        let what = format!("the rate of {} (it needs tbf)", link.interface);
        let handle = TcHandle { major: 2, minor: 0 };
        requests.push(discipline(
            what,
            index,
            "tbf",
            handle,
            parent,
            tbf(rate, link.mtu),
        )?);
    }
    Ok(requests)
}

/// Lets an interface send as fast as it can.
pub(super) fn remove(index: u32, link: &LinkPlan) -> io::Result<Request> {
    let mut message = TcMessage::with_index(narrow(index)?);
    message.header.parent = TcHandle::ROOT;
    let what = format!("to lift the limits of {}", link.interface);
    let message = RouteNetlinkMessage::DelQueueDiscipline(message);
    // There are none: ENOENT, EINVAL before 4.16.
    Ok(Request::new(what, message, 0).satisfied_by(&[libc::ENOENT, libc::EINVAL]))
}

fn discipline(
    what: String,
    index: u32,
    kind: &str,
    handle: TcHandle,
    parent: TcHandle,
    options: Vec<u8>,
) -> io::Result<Request> {
    let mut message = TcMessage::with_index(narrow(index)?);
    message.header.handle = handle;
    message.header.parent = parent;
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    message
        .attributes
        .push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options)));
    let message = RouteNetlinkMessage::NewQueueDiscipline(message);
    Ok(Request::new(what, message, NLM_F_CREATE | NLM_F_EXCL))
}

/// This part of netlink has the index signed.
fn narrow(index: u32) -> io::Result<i32> {
    i32::try_from(index).map_err(io::Error::other)
}

/// `struct tc_tbf_qopt`, the burst in bytes, and the rate again where 32 bits don't hold it.
fn tbf(bits_per_second: u64, mtu: u32) -> Vec<u8> {
    let rate = (bits_per_second / 8).max(1);
    let ten_milliseconds = u32::try_from(rate / 100).unwrap_or(u32::MAX);
    // A bucket that holds less than a frame never lets one pass.
    let burst = ten_milliseconds.max(2 * (mtu + 14));
    let patience = u128::from(rate) * TBF_PATIENCE.as_millis() / 1000;
    let limit = u32::try_from(patience)
        .unwrap_or(u32::MAX)
        .saturating_add(burst);
    let rate32 = u32::try_from(rate).unwrap_or(u32::MAX);

    let mut parameters = Vec::new();
    rate_specification(&mut parameters, rate32);
    rate_specification(&mut parameters, 0);
    parameters.extend(limit.to_ne_bytes());
    // Burst and peak burst in ticks, of no account beside the burst in bytes.
    parameters.extend([0; 8]);

    let mut options = Vec::new();
    attribute(&mut options, TCA_TBF_PARMS, &parameters);
    attribute(&mut options, TCA_TBF_BURST, &burst.to_ne_bytes());
    if rate32 == u32::MAX {
        attribute(&mut options, TCA_TBF_RATE64, &rate.to_ne_bytes());
    }
    options
}

/// `struct tc_ratespec`.
fn rate_specification(to: &mut Vec<u8>, bytes_per_second: u32) {
    let layer = if bytes_per_second == 0 {
        0
    } else {
        TC_LINKLAYER_ETHERNET
    };
    to.extend([0, layer]);
    // Overhead, cell alignment and smallest packet, 16 bits each.
    to.extend([0; 6]);
    to.extend(bytes_per_second.to_ne_bytes());
}

/// `struct tc_netem_qopt`, and the delay in nanoseconds.
fn netem(delay: Duration, loss_ppm: u32) -> Vec<u8> {
    // A probability is a share of 2³² - 1.
    let loss = u64::from(loss_ppm.min(1_000_000)) * u64::from(u32::MAX) / 1_000_000;
    let loss = u32::try_from(loss).unwrap_or(u32::MAX);
    let nanoseconds = i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX);
    let mut options = Vec::new();
    // Latency (in ticks, of no account beside the attribute), limit, loss, gap, duplication, jitter.
    for value in [0, NETEM_LIMIT, loss, 0, 0, 0] {
        options.extend(value.to_ne_bytes());
    }
    attribute(
        &mut options,
        TCA_NETEM_LATENCY64,
        &nanoseconds.to_ne_bytes(),
    );
    options
}

fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}
