//! Record sets → records.

use std::net::IpAddr;

use super::lab::{Record, RecordData};
use super::labels::check_dns_name;
use super::names::Names;
use crate::model::dns::{RecordSet, Row};
use crate::model::{Diagnostic, Place, Spanned};

/// Time to live where none is written, in seconds: short, since labs change.
pub(super) const DEFAULT_TTL: u32 = 300;

/// A record, and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) record: Record,
    pub(super) place: Place,
}

/// The fully qualified name of an owner in a zone.
pub(super) fn owner(
    written: &Spanned<String>,
    origin: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    if written.value == "@" {
        return Some(origin.to_owned());
    }
    let name = check_dns_name(written, diagnostics)?;
    let inside = origin.is_empty() || name == origin || name.ends_with(&format!(".{origin}"));
    if written.ends_with('.') {
        if !inside {
            diagnostics.push(
                Diagnostic::error(
                    "lab::owner-outside",
                    format!(
                        "`{}` does not belong to the zone `{origin}`.",
                        written.value
                    ),
                    &written.place,
                    "outside the zone",
                )
                .help("owners are relative to the zone: `mail`, or `@` for the zone itself"),
            );
            return None;
        }
        return Some(name);
    }
    if inside && !origin.is_empty() {
        let relative = name
            .strip_suffix(origin)
            .map_or("", |rest| rest.trim_end_matches('.'));
        let relative = if relative.is_empty() { "@" } else { relative };
        diagnostics.push(
            Diagnostic::warning(
                "lab::owner-absolute",
                format!("This is the name `{name}.{origin}`: owners are relative to the zone."),
                &written.place,
                "ends with the zone's own name",
            )
            .help(format!("write `{relative}`")),
        );
    }
    Some(match origin.is_empty() {
        true => name,
        false => format!("{name}.{origin}"),
    })
}

/// The records of one owner.
pub(super) fn records(
    name: &str,
    set: &RecordSet,
    origin: &str,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Placed> {
    let written = &set.records;
    let ttl = written.ttl.unwrap_or(DEFAULT_TTL);
    let mut all = Vec::new();
    let mut add = |data, place: &Place| {
        let record = Record {
            name: name.to_owned(),
            ttl,
            data,
        };
        all.push(Placed {
            record,
            place: place.clone(),
        });
    };
    for word in written.address.iter() {
        for address in addresses(word, names, diagnostics) {
            add(RecordData::Address(address), &word.place);
        }
    }
    if let Some(word) = &written.cname
        && let Some(target) = target(word, origin, diagnostics)
    {
        add(RecordData::Cname(target), &word.place);
    }
    for word in written.ns.iter() {
        if let Some(target) = target(word, origin, diagnostics) {
            add(RecordData::Ns(target), &word.place);
        }
    }
    for word in written.ptr.iter() {
        if let Some(target) = target(word, origin, diagnostics) {
            add(RecordData::Ptr(target), &word.place);
        }
    }
    for row in &written.mx.0 {
        if let Some((preference, exchange)) = mx(row, origin, diagnostics) {
            add(
                RecordData::Mx {
                    preference,
                    exchange,
                },
                &row.place,
            );
        }
    }
    for row in &written.srv.0 {
        if let Some((priority, weight, port, target)) = srv(row, origin, diagnostics) {
            add(
                RecordData::Srv {
                    priority,
                    weight,
                    port,
                    target,
                },
                &row.place,
            );
        }
    }
    for word in written.txt.iter() {
        add(RecordData::Txt(word.value.clone()), &word.place);
    }
    // RFC 1034 §3.6.2.
    let aliases = all
        .iter()
        .any(|placed| matches!(placed.record.data, RecordData::Cname(_)));
    if aliases && (all.len() > 1 || name == origin) {
        let message = match name == origin {
            true => format!("The zone `{origin}` itself can't be an alias."),
            false => format!("`{name}` is an alias, so it can have no other records."),
        };
        diagnostics.push(
            Diagnostic::error("lab::cname-not-alone", message, &set.place, "has a `cname`")
                .help("write an address instead of `cname`, or remove the other records"),
        );
    }
    all
}

fn addresses(
    word: &Spanned<String>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<IpAddr> {
    names.hosts(std::slice::from_ref(word), diagnostics)
}

/// The name a record points at; a single label is relative to the zone.
fn target(
    word: &Spanned<String>,
    origin: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    if word.value == "@" {
        return Some(origin.to_owned());
    }
    if word.parse::<IpAddr>().is_ok() {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-name",
                format!(
                    "`{}` is an address; this record points at a name.",
                    word.value
                ),
                &word.place,
                "an address",
            )
            .help("give the address a name of its own, and write that name here"),
        );
        return None;
    }
    let name = check_dns_name(word, diagnostics)?;
    let relative = !word.contains('.') && !origin.is_empty();
    Some(if relative {
        format!("{name}.{origin}")
    } else {
        name
    })
}

fn mx(row: &Row, origin: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<(u16, String)> {
    if let [preference, exchange] = row.words.as_slice()
        && let Ok(preference) = preference.parse()
    {
        return Some((preference, target(exchange, origin, diagnostics)?));
    }
    diagnostics.push(
        Diagnostic::error(
            "lab::bad-record",
            "This is no MX record.",
            &row.place,
            "not understood",
        )
        .help("write `[preference, host]`, like `[10, mail.example.com]`"),
    );
    None
}

fn srv(
    row: &Row,
    origin: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(u16, u16, u16, String)> {
    if let [priority, weight, port, host] = row.words.as_slice()
        && let (Ok(priority), Ok(weight), Ok(port)) =
            (priority.parse(), weight.parse(), port.parse())
    {
        return Some((priority, weight, port, target(host, origin, diagnostics)?));
    }
    diagnostics.push(
        Diagnostic::error(
            "lab::bad-record",
            "This is no SRV record.",
            &row.place,
            "not understood",
        )
        .help("write `[priority, weight, port, host]`, like `[0, 0, 5061, sip.example.com]`"),
    );
    None
}
