//! Which node stands on which segment with which addresses. Written addresses and VIPs
//! first, then those that are derived take what is free.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::lab::{Attachment, LinkProperties, Segment};
use super::literal::{Wrong, after, derivable, with_length};
use super::names::Declared;
use super::seats::Seat;
use super::segments::check_mtu;
use crate::model::file::File;
use crate::model::leg::Leg;
use crate::model::{Diagnostic, Place, Spanned, nearest};

/// What came out: legs by node, VIPs by balancer.
#[derive(Default)]
pub(super) struct Attached {
    pub(super) legs: BTreeMap<String, Vec<Attachment>>,
    pub(super) vips: BTreeMap<String, Vec<IpAddr>>,
}

/// Who has an address.
#[derive(Default)]
pub(super) struct Holders(HashMap<IpAddr, (String, Place)>);

/// Puts every node on its segments.
pub(super) fn attach(
    file: &File,
    segments: &BTreeMap<String, Segment>,
    seats: &[Seat<'_>],
    declared: &Declared,
    diagnostics: &mut Vec<Diagnostic>,
) -> Attached {
    let mut holders = Holders::default();
    let mut attached = Attached::default();
    for seat in seats {
        let mut legs: Vec<Attachment> = Vec::new();
        if seat.entry.on.0.is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    "lab::no-segment",
                    format!("`{}` stands on no segment.", seat.name),
                    &seat.group.place,
                    "nowhere",
                )
                .help("name a segment: `on: frontend`"),
            );
        }
        for leg in &seat.entry.on.0 {
            let Some(segment) = segments.get(&leg.segment.value) else {
                if seat.index == 0 && !declared.segments.contains(&leg.segment.value) {
                    diagnostics.push(unknown_segment(&leg.segment, segments));
                }
                continue;
            };
            if let Some(first) = legs.iter().find(|other| other.segment == segment.name) {
                diagnostics.push(
                    Diagnostic::error(
                        "lab::duplicate-segment",
                        format!("`{}` stands on `{}` twice.", seat.name, segment.name),
                        &leg.segment.place,
                        "again here",
                    )
                    .also(&first.place, "first here")
                    .help("several addresses on one segment are a list: `{ segment: [.10, .11] }`"),
                );
                continue;
            }
            let addresses = written(seat, leg, segment, &mut holders, diagnostics);
            legs.push(Attachment {
                segment: segment.name.clone(),
                addresses,
                link: link(seat, leg, diagnostics),
                place: leg.place.clone(),
            });
        }
        attached.legs.insert(seat.name.clone(), legs);
    }
    attached.vips = super::vips::vips(
        file,
        segments,
        &mut attached.legs,
        &mut holders,
        diagnostics,
    );
    derive(
        segments,
        seats,
        &mut attached.legs,
        &mut holders,
        diagnostics,
    );
    attached
}

pub(super) fn unknown_segment(
    written: &Spanned<String>,
    segments: &BTreeMap<String, Segment>,
) -> Diagnostic {
    let help = match nearest(written, segments.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<_> = segments.keys().map(String::as_str).collect();
            format!("the lab's segments are {}", all.join(", "))
        }
    };
    Diagnostic::error(
        "lab::unknown-segment",
        format!("No segment is called `{}`.", written.value),
        &written.place,
        "unknown segment",
    )
    .help(help)
}

fn link(seat: &Seat<'_>, leg: &Leg, diagnostics: &mut Vec<Diagnostic>) -> LinkProperties {
    let options = &leg.options;
    let mut once = Vec::new();
    let mtu = options.mtu.as_ref().map(|mtu| check_mtu(mtu, &mut once));
    if seat.index == 0 {
        diagnostics.append(&mut once);
    }
    LinkProperties {
        mtu,
        rate: options.rate.map(|rate| rate.0),
        delay: options.delay.map(|delay| delay.0),
        loss_ppm: options.loss.map(|loss| loss.0),
    }
}

/// The addresses written for a seat: all of them without `count`; with it one each, or
/// consecutive ones.
fn written(
    seat: &Seat<'_>,
    leg: &Leg,
    segment: &Segment,
    holders: &mut Holders,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<IpNet> {
    let texts = leg.options.address.as_slice();
    let (texts, step) = match (texts, seat.entry.count.is_some()) {
        ([], _) => return Vec::new(),
        (texts, false) => (texts, 0),
        ([first], true) => (std::slice::from_ref(first), seat.index),
        (texts, true) => match texts.get(seat.index..=seat.index) {
            Some(one) if texts.len() == seat.count => (one, 0),
            _ => {
                if seat.index == 0 {
                    diagnostics.push(
                        Diagnostic::error(
                            "lab::count-addresses",
                            format!(
                                "`{}` has {} addresses on `{}` for {} nodes.",
                                seat.group.value,
                                texts.len(),
                                segment.name,
                                seat.count
                            ),
                            &leg.options.place,
                            format!("{} addresses", texts.len()),
                        )
                        .help("give one address (the others follow it), or one for each node"),
                    );
                }
                return Vec::new();
            }
        },
    };
    let mut addresses = Vec::new();
    for text in texts {
        let found = super::literal::address(text, &segment.prefixes).and_then(|address| {
            if step == 0 {
                return Ok(address);
            }
            let next = after(address.addr(), step).ok_or(Wrong::NoAddress)?;
            super::literal::address(&next.to_string(), &segment.prefixes)
        });
        match found {
            Ok(address) => {
                if holders.take(address.addr(), &seat.name, &text.place, diagnostics) {
                    addresses.push(address);
                }
            }
            // The base of consecutive addresses is reported once.
            Err(_) if step > 0 && super::literal::address(text, &segment.prefixes).is_err() => {}
            Err(wrong) => diagnostics.push(refused(text, wrong, segment)),
        }
    }
    addresses
}

fn refused(text: &Spanned<String>, wrong: Wrong, segment: &Segment) -> Diagnostic {
    let prefixes: Vec<_> = segment.prefixes.iter().map(ToString::to_string).collect();
    let prefixes = prefixes.join(", ");
    let name = &segment.name;
    let place = &text.place;
    match wrong {
        Wrong::NoAddress => Diagnostic::error(
            "lab::bad-address",
            format!("`{}` is no address.", text.escape_debug()),
            place,
            "not an address",
        )
        .help(format!(
            "write an address of {prefixes}, or only its last part (`.11`), or nothing to have \
             one chosen"
        )),
        Wrong::Outside(address) => Diagnostic::error(
            "lab::address-outside",
            format!("{address} is not in `{name}`, which has {prefixes}."),
            place,
            format!("outside {prefixes}"),
        )
        .also(&segment.place, "the segment")
        .help("take an address of the segment, or change its prefix"),
        Wrong::Network(address, prefix) => Diagnostic::error(
            "lab::network-address",
            format!("{address} is the address of the network {prefix}, not of a node in it."),
            place,
            "network address",
        )
        .help("take a later one"),
        Wrong::Broadcast(address, prefix) => Diagnostic::error(
            "lab::broadcast-address",
            format!("{address} is the broadcast address of {prefix}, which no node can have."),
            place,
            "broadcast address",
        )
        .help("take an earlier one"),
    }
}

impl Holders {
    /// Notes who has an address; false, with a diagnostic, if somebody else has it.
    pub(super) fn take(
        &mut self,
        address: IpAddr,
        node: &str,
        place: &Place,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
        if let Some((holder, first)) = self.0.get(&address) {
            let whose = match holder == node {
                true => "already given to it".to_owned(),
                false => format!("the address of `{holder}`"),
            };
            diagnostics.push(
                Diagnostic::error(
                    "lab::duplicate-address",
                    format!("{address}, given to `{node}`, is {whose}."),
                    place,
                    "again here",
                )
                .also(first, "first here")
                .help("an address belongs to one node; write another one, or none to derive it"),
            );
            return false;
        }
        self.0.insert(address, (node.to_owned(), place.clone()));
        true
    }
}

/// Gives each leg without an address of its own the first free one of each family, in
/// front of VIPs.
fn derive(
    segments: &BTreeMap<String, Segment>,
    seats: &[Seat<'_>],
    legs: &mut BTreeMap<String, Vec<Attachment>>,
    holders: &mut Holders,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut cursors: HashMap<IpNet, Box<dyn Iterator<Item = IpAddr>>> = HashMap::new();
    for seat in seats {
        for leg in &seat.entry.on.0 {
            if !leg.options.address.is_empty() {
                continue;
            }
            let Some(segment) = segments.get(&leg.segment.value) else {
                continue;
            };
            let mut derived = Vec::new();
            for v6 in [false, true] {
                let prefix = segment
                    .prefixes
                    .iter()
                    .find(|p| matches!(p, IpNet::V6(_)) == v6);
                let Some(prefix) = prefix else { continue };
                let cursor = cursors
                    .entry(*prefix)
                    .or_insert_with(|| Box::new(derivable(*prefix)));
                let free = cursor.find(|address| !holders.0.contains_key(address));
                match free.and_then(|address| with_length(address, *prefix)) {
                    Some(address) => {
                        let holder = (seat.name.clone(), leg.place.clone());
                        holders.0.insert(address.addr(), holder);
                        derived.push(address);
                    }
                    None => diagnostics.push(
                        Diagnostic::error(
                            "lab::no-addresses-left",
                            format!("{prefix} has no address left for `{}`.", seat.name),
                            &leg.place,
                            "wants an address",
                        )
                        .also(&segment.place, "the segment")
                        .help("give the segment a shorter prefix, or put fewer nodes on it"),
                    ),
                }
            }
            let leg = legs
                .get_mut(&seat.name)
                .and_then(|legs| legs.iter_mut().find(|found| found.segment == segment.name));
            if let Some(leg) = leg {
                leg.addresses.splice(0..0, derived);
            }
        }
    }
}
