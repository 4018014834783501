//! What was seen already: an authenticator is good once (RFC 4120 §3.2.3).

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::time::Time;

/// Clocks may differ by so many seconds (RFC 4120 §3.2.3).
pub const SKEW: u64 = 300;
/// Authenticators remembered for each half; more are refused until the older half is forgotten.
const MOST: usize = 1 << 19;

/// Remembers authenticators for as long as their time is good.
#[derive(Default)]
pub struct ReplayCache {
    halves: Mutex<Halves>,
}

/// Two sets, of which the older is dropped whole: bounded, and nothing is searched for what is old.
#[derive(Default)]
struct Halves {
    since: Time,
    recent: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
}

impl ReplayCache {
    /// Whether an authenticator, as encrypted, is seen for the first time; it is remembered.
    /// Another one of the same client and second is encrypted to other bytes.
    pub fn is_new(&self, authenticator: &[u8], now: Time) -> bool {
        let digest = ring::digest::digest(&ring::digest::SHA256, authenticator);
        let mut known = [0; 16];
        known.copy_from_slice(&digest.as_ref()[..16]);
        // Whatever panicked with the lock held left whole sets behind.
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        // Good from five minutes before to five minutes after its time: ten in all.
        let age = now.distance(halves.since);
        if age > 2 * SKEW {
            let recent = std::mem::take(&mut halves.recent);
            halves.older = if age > 4 * SKEW {
                HashSet::new()
            } else {
                recent
            };
            halves.since = now;
        }
        if halves.older.contains(&known) || halves.recent.len() >= MOST {
            return false;
        }
        halves.recent.insert(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_refused_for_as_long_as_its_time_is_good() {
        let cache = ReplayCache::default();
        let start = Time(1_000_000);
        assert!(cache.is_new(b"one", start));
        assert!(cache.is_new(b"two", start));
        for later in [0, 299, 600] {
            assert!(!cache.is_new(b"one", start.plus(later)), "{later}");
        }
        assert!(!cache.is_new(b"one", start.plus(601)));
        assert!(cache.is_new(b"one", start.plus(1300)));
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let cache = ReplayCache::default();
        let all =
            (0..MOST as u64 + 10).filter(|number| cache.is_new(&number.to_be_bytes(), Time(0)));
        assert_eq!(all.count(), MOST);
    }
}
