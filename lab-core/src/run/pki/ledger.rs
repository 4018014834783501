//! What was issued in this run of the lab. It is kept in memory alone: with the lab the keys of
//! its nodes are gone, and the next run gets others.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use ring::rand::{SecureRandom, SystemRandom};
use time::{Duration, OffsetDateTime};

use crate::plan::{CertificatePlan, UserCertificatePlan};
use crate::run::messages::CredentialPem;
use crate::service::Issued;

/// A certificate with less than this left is not handed out again.
const RESERVE: Duration = Duration::days(1);

/// What a certificate was asked to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// A node's or a service's.
    ForServer(CertificatePlan),
    /// A user's.
    ForUser(UserCertificatePlan),
}

struct Entry {
    asked: Asked,
    serial: Vec<u8>,
    life: (OffsetDateTime, OffsetDateTime),
    credential: Rc<CredentialPem>,
    revoked: Option<OffsetDateTime>,
}

/// Certificates by node and id; the newest where one took the place of another.
#[derive(Default)]
pub(super) struct Ledger(BTreeMap<(String, String), Entry>);

impl Ledger {
    /// What was issued there for the same, if it will be valid for a while.
    pub fn credential(
        &self,
        node: &str,
        id: &str,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Option<Rc<CredentialPem>> {
        let entry = self.0.get(&(node.to_owned(), id.to_owned()))?;
        let (begin, end) = entry.life;
        let lasts = begin <= now && now + RESERVE < end;
        (entry.asked == *asked && lasts).then(|| Rc::clone(&entry.credential))
    }

    /// Enters what was issued.
    pub fn enter(
        &mut self,
        node: &str,
        id: &str,
        asked: Asked,
        serial: &[u8],
        life: (OffsetDateTime, OffsetDateTime),
        credential: &Rc<CredentialPem>,
    ) {
        let entry = Entry {
            asked,
            serial: serial.to_vec(),
            life,
            credential: Rc::clone(credential),
            revoked: None,
        };
        self.0.insert((node.to_owned(), id.to_owned()), entry);
    }

    /// Notes what is revoked from now on, or is no longer, and lists everything.
    pub fn issued(
        &mut self,
        is_revoked: impl Fn(&str, &str) -> bool,
        now: OffsetDateTime,
    ) -> Vec<Issued> {
        let entries = self.0.iter_mut();
        let issued = entries.map(|((node, id), entry)| {
            entry.revoked = is_revoked(node, id).then(|| entry.revoked.unwrap_or(now));
            Issued {
                serial: entry.serial.clone(),
                node: node.clone(),
                id: id.clone(),
                revoked: entry.revoked.map(OffsetDateTime::unix_timestamp),
            }
        });
        issued.collect()
    }

    /// What to say when the clock stands where some of these are not valid.
    pub fn clock_trouble(&self, now: OffsetDateTime) -> Option<String> {
        let lives = || self.0.values().map(|entry| entry.life);
        let begin = lives().map(|(begin, _)| begin).max()?;
        let end = lives().map(|(_, end)| end).min()?;
        (now < begin || now > end).then(|| {
            format!(
                "the clock says {}, but certificates of this lab are valid from {} to {}",
                now.date(),
                begin.date(),
                end.date()
            )
        })
    }
}

/// A serial number by chance, so that none is met twice (RFC 5280 §4.1.2.2): 16 bytes, positive,
/// without leading zeros.
pub(super) fn serial() -> io::Result<[u8; 16]> {
    let mut serial = [0; 16];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| io::Error::other("the kernel gives no random numbers"))?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}
