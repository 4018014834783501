//! How often somebody was wrong lately: who is wrong too often has to wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many wrong passwords in a row lock an account of the farm.
const ATTEMPTS: u32 = 5;
/// For so long.
const LOCKED: Duration = Duration::from_secs(60);

/// Wrong passwords by account. Only accounts that are there are counted.
#[derive(Default)]
pub(super) struct Tried(Mutex<BTreeMap<String, (u32, Instant)>>);

impl Tried {
    /// Whether an account is locked at this time.
    pub fn is_locked(&self, account: &str, now: Instant) -> bool {
        let tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried
            .get(account)
            .is_some_and(|(count, last)| *count >= ATTEMPTS && now.duration_since(*last) < LOCKED)
    }

    /// Notes what came of a try.
    pub fn note(&self, account: &str, right: bool, now: Instant) {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if right {
            tried.remove(account);
            return;
        }
        let (count, last) = tried.get(account).copied().unwrap_or((0, now));
        let count = match now.duration_since(last) < LOCKED {
            true => count + 1,
            false => 1,
        };
        tried.insert(account.to_owned(), (count, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_too_often_waits() {
        let tried = Tried::default();
        let now = Instant::now();
        for _ in 0..ATTEMPTS {
            assert!(!tried.is_locked("ivan", now));
            tried.note("ivan", false, now);
        }
        assert!(tried.is_locked("ivan", now) && !tried.is_locked("eve", now));
        assert!(!tried.is_locked("ivan", now + LOCKED));
        tried.note("ivan", true, now);
        assert!(!tried.is_locked("ivan", now));
    }
}
