//! Mutations of DNS records.

use super::mutation::{Edit, Family, How, Mutation};
use crate::check::{Lab, Record, RecordData, Zone};
use crate::coverage::{Subject, written};

pub(super) fn all(lab: &Lab) -> Vec<Mutation> {
    let zones = lab.zones.iter().enumerate();
    zones
        .flat_map(|(number, zone)| {
            let records = zone.records.iter().enumerate();
            records.flat_map(move |(at, record)| of_record(lab, number, zone, at, record))
        })
        .collect()
}

fn of_record(lab: &Lab, number: usize, zone: &Zone, at: usize, record: &Record) -> Vec<Mutation> {
    let (kind, data) = written(&record.data);
    let name = record.name.to_ascii_lowercase();
    let what = format!("{name} {kind} {data}");
    let mut all = Vec::new();
    let mut add = |how: How, word: &str, said: String, zone_number: usize, records| {
        all.push(Mutation {
            id: format!("dns/{}/{name}/{kind}/{data}/{word}", zone.view),
            family: Family::Dns,
            how,
            said,
            place: zone.place.to_string(),
            subjects: vec![Subject::Record {
                view: zone.view.clone(),
                name: name.clone(),
                record: kind.into(),
                data: data.clone(),
            }],
            equal: None,
            edit: Edit::Zone {
                zone: zone_number,
                records,
            },
        });
    };
    let mut rest = zone.records.clone();
    rest.remove(at);
    let said = format!("{what} is gone from view {}", zone.view);
    add(How::Remove, "remove", said, number, rest.clone());
    // A server is the name server of its zones in each of its views by itself.
    if !matches!(record.data, RecordData::Ns(_)) {
        for (other, theirs) in wider(lab, zone, record) {
            let mut records = theirs.records.clone();
            records.push(record.clone());
            let said = format!("{what} is in view {}, too", theirs.view);
            let word = format!("widen-{}", theirs.view);
            add(How::Widen, &word, said, other, records);
        }
    }
    if let Some(last) = last(zone, at, record) {
        rest.push(last);
        let said = format!("{what} is the last choice in view {}", zone.view);
        add(How::Reorder, "reorder", said, number, rest);
    }
    all
}

/// The same zone in other views, where that has nothing of the record's name and type.
fn wider<'l>(lab: &'l Lab, zone: &Zone, record: &Record) -> Vec<(usize, &'l Zone)> {
    let kind = written(&record.data).0;
    let lacks = |other: &Zone| {
        !other.records.iter().any(|theirs| {
            theirs.name.eq_ignore_ascii_case(&record.name)
                && (written(&theirs.data).0 == kind
                    || matches!(theirs.data, RecordData::Cname(_))
                    || kind == "CNAME")
        })
    };
    let zones = lab.zones.iter().enumerate();
    zones
        .filter(|(_, other)| other.view != zone.view)
        .filter(|(_, other)| other.origin.eq_ignore_ascii_case(&zone.origin))
        .filter(|(_, other)| lacks(other))
        .collect()
}

/// The record as the last choice among those of its name, if it is not that already.
fn last(zone: &Zone, at: usize, record: &Record) -> Option<Record> {
    let rank = |data: &RecordData| match data {
        RecordData::Mx { preference, .. } => Some((0, *preference)),
        RecordData::Srv { priority, .. } => Some((1, *priority)),
        _ => None,
    };
    let (kind, own) = rank(&record.data)?;
    let others = zone.records.iter().enumerate();
    let others = others.filter(|(other, one)| *other != at && one.name == record.name);
    let ranks = others.filter_map(|(_, one)| rank(&one.data));
    let worst = ranks
        .filter(|(other, _)| *other == kind)
        .map(|(_, rank)| rank)
        .max()?;
    let behind = (own <= worst).then(|| worst.checked_add(10))??;
    let mut record = record.clone();
    match &mut record.data {
        RecordData::Mx { preference, .. } => *preference = behind,
        RecordData::Srv { priority, .. } => *priority = behind,
        _ => {}
    }
    Some(record)
}
