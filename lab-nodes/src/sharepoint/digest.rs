//! The form digest ([MS-CSOMREST] and SharePoint's `X-RequestDigest`): proof that a change was asked
//! for by a page or a client that could read an answer of ours, not by another site's page in the same
//! browser.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXUPPER;
use lab_core::service::Secret;
use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use super::clock;

/// How long one is good for.
pub(super) const LASTS: Duration = Duration::from_secs(1800);

/// Makes digests, and knows its own: those of any front end of the farm.
pub(super) struct Digests(Key);

impl Digests {
    /// With the farm's secret.
    pub fn new(secret: &Secret) -> Self {
        let key = Key::new(HMAC_SHA256, secret.bytes());
        // The same secret seals other things, too.
        let own = sign(&key, b"form digest");
        Self(Key::new(HMAC_SHA256, own.as_ref()))
    }

    /// For somebody on a web application: `0x…,2013-06-30T12:00:00Z`.
    pub fn make(&self, application: &str, login: &str) -> String {
        self.at(application, login, &clock::now())
    }

    fn at(&self, application: &str, login: &str, when: &str) -> String {
        let tag = sign(&self.0, said(application, login, when).as_bytes());
        format!("0x{},{when}", HEXUPPER.encode(tag.as_ref()))
    }

    /// Whether a digest is theirs and not too old.
    pub fn holds(&self, application: &str, login: &str, digest: &str) -> bool {
        self.holds_at(application, login, digest, SystemTime::now())
    }

    fn holds_at(&self, application: &str, login: &str, digest: &str, now: SystemTime) -> bool {
        let Some((tag, when)) = digest.trim().split_once(',') else {
            return false;
        };
        let tag = tag.strip_prefix("0x").unwrap_or(tag);
        let Ok(tag) = HEXUPPER.decode(tag.as_bytes()) else {
            return false;
        };
        let made = clock::read(when);
        let skew = Duration::from_secs(60);
        let in_time = made > UNIX_EPOCH && made <= now + skew && now <= made + LASTS;
        let said = said(application, login, when);
        in_time && verify(&self.0, said.as_bytes(), &tag).is_ok()
    }
}

fn said(application: &str, login: &str, when: &str) -> String {
    format!("{application}\n{login}\n{when}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_for_one_person_on_one_application_for_a_time() {
        let digests = Digests::new(&Secret::new([7; 32]));
        let digest = digests.at("teams.example", "alice", "2013-06-30T12:00:00Z");
        let now = clock::read("2013-06-30T12:10:00Z");
        let holds = |application, login, digest: &str, now| {
            digests.holds_at(application, login, digest, now)
        };
        assert!(holds("teams.example", "alice", &digest, now));
        assert!(!holds("my.example", "alice", &digest, now));
        assert!(!holds("teams.example", "bob", &digest, now));
        assert!(!holds("teams.example", "alice", &digest, now + LASTS));
        let later = digest.replace("12:00", "12:09");
        assert!(!holds("teams.example", "alice", &later, now));
        for broken in ["", "0x", ",", "0xZZ,2013-06-30T12:00:00Z", "x,,,"] {
            assert!(!holds("teams.example", "alice", broken, now), "{broken}");
        }
        let other = Digests::new(&Secret::new([8; 32]));
        assert!(!other.holds_at("teams.example", "alice", &digest, now));
    }
}
