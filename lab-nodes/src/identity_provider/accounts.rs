//! Who is who, and how often somebody may be wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::settings::User;

/// So many wrong passwords in a row lock an account.
pub(super) const ATTEMPTS: u32 = 5;
/// For so long.
pub(super) const LOCKED: Duration = Duration::from_secs(60);

/// How often people were wrong lately.
#[derive(Default)]
pub(super) struct Accounts {
    wrong: Mutex<BTreeMap<String, (u32, Instant)>>,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is them.
    Verified,
    /// The name or the password is wrong: which of them is nobody's business.
    Wrong,
    /// Too many wrong passwords: the right one is not taken either.
    Locked,
}

impl Accounts {
    /// Verifies a password at a time.
    pub fn verify(
        &self,
        users: &BTreeMap<String, User>,
        name: &str,
        password: &str,
        now: Instant,
    ) -> Outcome {
        let Some(user) = users.get(name) else {
            // As much work as for a name that is known.
            same("", password);
            return Outcome::Wrong;
        };
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = wrong.get(name).copied().unwrap_or((0, now));
        let count = if now.duration_since(last) >= LOCKED {
            0
        } else {
            count
        };
        if count >= ATTEMPTS {
            return Outcome::Locked;
        }
        if same(&user.password, password) {
            wrong.remove(name);
            return Outcome::Verified;
        }
        wrong.insert(name.to_owned(), (count + 1, now));
        Outcome::Wrong
    }
}

/// Compares digests, so that the time it takes tells nothing of the password.
fn same(password: &str, given: &str) -> bool {
    use ring::digest::{SHA256, digest};
    let (own, given) = (
        digest(&SHA256, password.as_bytes()),
        digest(&SHA256, given.as_bytes()),
    );
    let pairs = own.as_ref().iter().zip(given.as_ref());
    pairs.fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_wrong_password_locks_an_account_for_a_minute() {
        let user = User {
            password: "right".into(),
            claims: BTreeMap::new(),
        };
        let users = BTreeMap::from([("pat".to_owned(), user.clone()), ("kim".to_owned(), user)]);
        let (accounts, start) = (Accounts::default(), Instant::now());
        let verify = |name: &str, password: &str, after: u64| {
            let now = start + Duration::from_secs(after);
            accounts.verify(&users, name, password, now)
        };
        for _ in 0..4 {
            assert_eq!(verify("pat", "wrong", 0), Outcome::Wrong);
        }
        assert_eq!(verify("pat", "right", 0), Outcome::Verified);
        for _ in 0..5 {
            assert_eq!(verify("pat", "wrong", 1), Outcome::Wrong);
        }
        assert_eq!(verify("pat", "right", 60), Outcome::Locked);
        assert_eq!(verify("kim", "right", 60), Outcome::Verified);
        assert_eq!(verify("nobody", "", 60), Outcome::Wrong);
        assert_eq!(verify("pat", "right", 61), Outcome::Verified);
    }
}
