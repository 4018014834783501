//! Properties of a wire: rate, delay and loss on what a node sends.

use std::io;
use std::os::fd::AsFd;

use nlink::netlink::tc::{NetemConfig, TbfConfig};
use nlink::netlink::{Connection, Route};
use nlink::{Bytes, Percent, Rate, TcHandle};

use super::netns::NetNs;
use crate::plan::LinkPlan;

/// Most bytes sent at once at the full speed of the machine: two large packets, or 4 ms.
const LEAST_BURST: u64 = 18_000;

/// Gives a node's interface the queueing discipline that its link asks for: netem for delay and
/// loss, with its own rate limit, a token bucket for a rate alone, the default for neither.
///
/// # Errors
/// What the kernel says; `EOPNOTSUPP` or `ENOENT` without `sch_netem`.
pub async fn set(namespace: &NetNs, link: &LinkPlan) -> io::Result<()> {
    let wants_netem = link.delay.is_some() || link.loss_ppm.is_some();
    let connection =
        Connection::<Route>::new_in(namespace.as_fd()).map_err(|error| said(link, &error))?;
    let name = link.interface.as_str();
    connection
        .del_qdisc_if_exists(name, TcHandle::ROOT)
        .await
        .map_err(|error| said(link, &error))?;
    let rate = link.rate.map(Rate::bits_per_sec);
    let result = if wants_netem {
        let mut netem = NetemConfig::new();
        if let Some(delay) = link.delay {
            netem = netem.delay(delay);
        }
        if let Some(loss) = link.loss_ppm {
            netem = netem.loss(Percent::new(f64::from(loss) / 10_000.0));
        }
        if let Some(rate) = rate {
            netem = netem.rate(rate);
        }
        connection.add_qdisc(name, netem).await
    } else if let (Some(bits), Some(rate)) = (link.rate, rate) {
        let burst = (bits / 8 / 250).max(LEAST_BURST);
        let bucket = TbfConfig::new()
            .rate(rate)
            .burst(Bytes::new(burst))
            .limit(Bytes::new(burst * 4));
        connection.add_qdisc(name, bucket).await
    } else {
        Ok(())
    };
    result.map_err(|error| said(link, &error))
}

fn said(link: &LinkPlan, error: &nlink::Error) -> io::Error {
    io::Error::other(format!(
        "rate, delay or loss of the wire to {}: {error}",
        link.segment
    ))
}
