//! Access control lists.

use super::record::record;
use super::{Many, Spanned};

record! {
    /// A rule of an ACL.
    Rule, "an ACL rule" {
        /// Its id (`P7`); several rules may share one.
        id: Option<Spanned<String>>,
        /// Lets this traffic pass: `any`, `icmp`, `icmp-errors`, `tcp`, `udp`, `tcp/443`, `tcp/50000-59999`, `ip/50`.
        permit: Many<Spanned<String>>,
        /// Drops this traffic; the same words.
        drop: Many<Spanned<String>>,
        /// Sources: `any`, prefix, address, segment, pool, node or node.label.
        from: Many<Spanned<String>>,
        /// Destinations; the same words.
        to: Many<Spanned<String>>,
        /// Comes in by this segment.
        inbound as "in": Option<Spanned<String>>,
        /// Goes out by this segment.
        outbound as "out": Option<Spanned<String>>,
        /// Colour in pictures.
        colour: Option<String>,
        /// A note for people.
        note: Option<String>,
    }
}
