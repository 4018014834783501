//! Segments and the prefixes of the lab.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::lab::Segment;
use super::labels::check_label;
use crate::model::file::File;
use crate::model::{Diagnostic, Place, Spanned};

/// Most segments of a lab, each of which is compared with the others.
const MAX_SEGMENTS: usize = 4096;

/// A prefix, and whose it is.
pub(super) struct Claim {
    owner: String,
    prefix: IpNet,
    place: Place,
}

/// Reads the segments.
pub(super) fn segments(
    file: &File,
    claims: &mut Vec<Claim>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Segment> {
    let mut segments = BTreeMap::new();
    for (at, (name, written)) in file.segments.iter().enumerate() {
        if at == MAX_SEGMENTS {
            diagnostics.push(
                Diagnostic::error(
                    "lab::too-many-segments",
                    format!("A lab has at most {MAX_SEGMENTS} segments; this one has more."),
                    &name.place,
                    "goes beyond it",
                )
                .help("split it into several labs"),
            );
            break;
        }
        // Linux: an interface name has at most 15 bytes, and the segment's is one.
        check_label("segment", name, 15, diagnostics);
        if name.value == "lo" {
            diagnostics.push(Diagnostic::error(
                "lab::bad-name",
                "`lo` can't be the name of a segment: every node has an interface of that name.",
                &name.place,
                "this name",
            ));
        }
        let mut prefixes = Vec::new();
        for text in written.prefix.iter() {
            if let Some(prefix) = prefix(text, diagnostics) {
                claim(
                    format!("segment `{}`", name.value),
                    prefix,
                    text,
                    claims,
                    diagnostics,
                );
                prefixes.push(prefix);
            }
        }
        prefixes.sort_by_key(|prefix| matches!(prefix, IpNet::V6(_)));
        let mtu = written
            .mtu
            .as_ref()
            .map_or(1500, |mtu| check_mtu(mtu, diagnostics));
        segments.insert(
            name.value.clone(),
            Segment {
                name: name.value.clone(),
                prefixes,
                zone: written.zone.clone(),
                tier: written.tier.clone(),
                mtu,
                place: name.place.clone(),
            },
        );
    }
    segments
}

/// A prefix as written, with no host bits.
pub(super) fn prefix(text: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<IpNet> {
    let Ok(prefix) = text.parse::<IpNet>() else {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-prefix",
                format!("`{}` is no prefix.", text.escape_debug()),
                &text.place,
                "not a prefix",
            )
            .help("a prefix is an address and a length, like `10.0.20.0/24` or `fd00:20::/64`"),
        );
        return None;
    };
    if prefix.addr() != prefix.network() {
        diagnostics.push(
            Diagnostic::error(
                "lab::host-bits",
                format!("`{prefix}` is an address in a prefix, not a prefix."),
                &text.place,
                "bits beyond the length are set",
            )
            .help(format!("the prefix is `{}`", prefix.trunc())),
        );
        return None;
    }
    Some(prefix)
}

/// Notes whose a prefix is; two that overlap are reported with both places.
pub(super) fn claim(
    owner: String,
    prefix: IpNet,
    text: &Spanned<String>,
    claims: &mut Vec<Claim>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let overlapping = claims
        .iter()
        .find(|other| other.prefix.contains(&prefix) || prefix.contains(&other.prefix));
    if let Some(other) = overlapping {
        diagnostics.push(
            Diagnostic::error(
                "lab::overlapping-prefixes",
                format!(
                    "{prefix} of {owner} overlaps {} of {}: an address would lie in both.",
                    other.prefix, other.owner
                ),
                &text.place,
                format!("overlaps {}", other.prefix),
            )
            .also(&other.place, format!("{} is here", other.owner))
            .help("give one of the two another prefix"),
        );
    }
    claims.push(Claim {
        owner,
        prefix,
        place: text.place.clone(),
    });
}

/// Checks an MTU. 1280 is what IPv6 needs (RFC 8200 §5).
pub(super) fn check_mtu(mtu: &Spanned<u32>, diagnostics: &mut Vec<Diagnostic>) -> u32 {
    if !(1280..=9000).contains(&mtu.value) {
        diagnostics.push(
            Diagnostic::error(
                "lab::out-of-range",
                format!("An MTU of {} is not possible here.", mtu.value),
                &mtu.place,
                "1280 to 9000 bytes",
            )
            .help("Ethernet's is 1500"),
        );
    }
    mtu.value
}
