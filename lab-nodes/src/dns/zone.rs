//! One zone in memory: what it says about a name (RFC 1034 §4.3.2, RFC 4592).

use std::collections::BTreeMap;
use std::str::FromStr;

use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use lab_core::check::{Record as Entry, RecordData};

use super::settings;

/// Time to live of the SOA, and of "there is no such name", in seconds.
const SOA_TTL: u32 = 60;
/// Longest string of a TXT record, in bytes (RFC 1035 §3.3).
const TXT_STRING: usize = 255;

/// A zone.
#[derive(Debug)]
pub(super) struct Zone {
    pub origin: Name,
    pub soa: Record,
    records: BTreeMap<Name, Vec<Record>>,
}

/// What a zone says.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// These records.
    Records(Vec<Record>),
    /// The name is another one's alias.
    Alias(Record, Name),
    /// The name is there, without such records.
    NoData,
    /// There is no such name.
    NoName,
}

impl Zone {
    /// From settings. Records whose names can't be are left out: `check` has refused them.
    pub fn new(zone: &settings::Zone, server: &str) -> Option<Self> {
        let origin = name(&zone.origin)?;
        let mut records: BTreeMap<Name, Vec<Record>> = BTreeMap::new();
        for entry in &zone.records {
            if let (Some(owner), Some(data)) = (name(&entry.name), data(entry)) {
                records
                    .entry(owner.clone())
                    .or_default()
                    .push(Record::from_rdata(owner, entry.ttl, data));
            }
        }
        let host_master = Name::from_ascii("hostmaster")
            .ok()?
            .append_domain(&origin)
            .ok()?;
        let soa = SOA::new(
            name(server)?,
            host_master,
            serial(zone),
            3600,
            600,
            86_400,
            SOA_TTL,
        );
        let soa = Record::from_rdata(origin.clone(), SOA_TTL, RData::SOA(soa));
        records.entry(origin.clone()).or_default().push(soa.clone());
        Some(Self {
            origin,
            soa,
            records,
        })
    }

    /// Looks a name up; it must lie in the zone.
    pub fn find(&self, wanted: &Name, kind: RecordType) -> Found {
        let wanted = wanted.to_lowercase();
        if let Some(records) = self.records.get(&wanted) {
            return select(records, kind, None);
        }
        if self.is_there(&wanted) {
            return Found::NoData;
        }
        // The closest ancestor that is there may have a wildcard below it.
        let mut encloser = wanted.base_name();
        while encloser != self.origin && !self.is_there(&encloser) {
            encloser = encloser.base_name();
        }
        let wildcard = Name::from_ascii("*")
            .ok()
            .and_then(|star| star.append_domain(&encloser).ok());
        match wildcard.and_then(|wildcard| self.records.get(&wildcard)) {
            Some(records) => select(records, kind, Some(&wanted)),
            None => Found::NoName,
        }
    }

    /// Whether the name or something below it has records.
    fn is_there(&self, wanted: &Name) -> bool {
        self.records.keys().any(|owner| wanted.zone_of(owner))
    }
}

fn select(records: &[Record], kind: RecordType, owner: Option<&Name>) -> Found {
    let owned = |record: &Record| {
        let mut record = record.clone();
        if let Some(owner) = owner {
            record.name = owner.clone();
        }
        record
    };
    if kind != RecordType::CNAME
        && kind != RecordType::ANY
        && let Some(alias) = records
            .iter()
            .find(|record| record.record_type() == RecordType::CNAME)
        && let RData::CNAME(CNAME(target)) = &alias.data
    {
        return Found::Alias(owned(alias), target.clone());
    }
    let found: Vec<Record> = records
        .iter()
        .filter(|record| kind == RecordType::ANY || record.record_type() == kind)
        .map(owned)
        .collect();
    if found.is_empty() {
        Found::NoData
    } else {
        Found::Records(found)
    }
}

/// A fully qualified name, lower case.
fn name(text: &str) -> Option<Name> {
    let mut name = if text.is_empty() {
        Name::root()
    } else {
        Name::from_str(text).ok()?
    };
    name.set_fqdn(true);
    Some(name.to_lowercase())
}

fn data(entry: &Entry) -> Option<RData> {
    Some(match &entry.data {
        RecordData::Address(std::net::IpAddr::V4(address)) => RData::A(A(*address)),
        RecordData::Address(std::net::IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
        RecordData::Cname(target) => RData::CNAME(CNAME(name(target)?)),
        RecordData::Mx {
            preference,
            exchange,
        } => RData::MX(MX::new(*preference, name(exchange)?)),
        RecordData::Ns(server) => RData::NS(NS(name(server)?)),
        RecordData::Ptr(target) => RData::PTR(PTR(name(target)?)),
        RecordData::Srv {
            priority,
            weight,
            port,
            target,
        } => RData::SRV(SRV::new(*priority, *weight, *port, name(target)?)),
        RecordData::Txt(text) => RData::TXT(TXT::new(strings(text))),
    })
}

/// A text in strings of at most 255 bytes.
fn strings(text: &str) -> Vec<String> {
    let mut strings = vec![String::new()];
    for letter in text.chars() {
        match strings.last_mut() {
            Some(last) if last.len() + letter.len_utf8() <= TXT_STRING => last.push(letter),
            _ => strings.push(letter.into()),
        }
    }
    strings
}

/// The same records give the same serial: a hash of them (FNV-1a).
fn serial(zone: &settings::Zone) -> u32 {
    serde_json::to_vec(&zone.records)
        .unwrap_or_default()
        .iter()
        .fold(0x811c_9dc5, |hash: u32, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        })
}
