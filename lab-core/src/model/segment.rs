//! Segments, and pools of addresses without one.

use super::record::record;
use super::{OneOrMore, Spanned};

record! {
    /// A broadcast domain.
    Segment, "a segment" {
        /// Its prefix (`10.0.20.0/24`), or a list of IPv4 and IPv6 prefixes.
        prefix: OneOrMore<Spanned<String>>,
        /// Security zone, for pictures and reports.
        zone: Option<String>,
        /// Tier, for pictures and reports.
        tier: Option<String>,
        /// Largest packet in bytes, 1280 to 9000; 1500 unless given.
        mtu: Option<Spanned<u32>>,
    }
}

record! {
    /// A prefix that a node hands out to tunnel clients.
    Pool, "a pool" {
        /// Its prefix.
        prefix: Spanned<String>,
        /// The node that hands its addresses out.
        via: Spanned<String>,
    }
}
