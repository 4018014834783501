//! What becomes of a lock ([MS-WOPI] §3.3.5.1.3 to §3.3.5.1.6): the lock that is there and the one
//! named in a request decide, nothing else. Pure.

use std::time::SystemTime;

use super::storage::{LOCK_HOLDS, Lock};

/// What a client wants with a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// LOCK: take it, or hold it for longer.
    Lock(String),
    /// REFRESH_LOCK: hold it for longer.
    Refresh(String),
    /// UNLOCK: give it back.
    Unlock(String),
    /// LOCK with X-WOPI-OldLock: another in the place of the one held.
    Relock {
        /// The new one.
        new: String,
        /// The one held.
        old: String,
    },
}

/// The lock afterwards; an error names the lock that is in the way, and is empty where none is
/// there that had to be.
pub fn decide(there: Option<&Lock>, wish: &Wish, now: SystemTime) -> Result<Option<Lock>, String> {
    let held = there.filter(|lock| lock.holds(now)).map(|lock| &*lock.id);
    let taken = |id: &str| {
        Some(Lock {
            id: id.to_owned(),
            until: now + LOCK_HOLDS,
        })
    };
    let in_the_way = || Err(held.unwrap_or_default().to_owned());
    match wish {
        Wish::Lock(id) if held.is_none_or(|held| held == id) => Ok(taken(id)),
        Wish::Refresh(id) if held == Some(id) => Ok(taken(id)),
        Wish::Unlock(id) if held == Some(id) => Ok(None),
        Wish::Relock { new, old } if held == Some(old) => Ok(taken(new)),
        _ => in_the_way(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(id: &str, until: SystemTime) -> Lock {
        Lock {
            id: id.into(),
            until,
        }
    }

    #[test]
    fn each_wish_in_each_state() {
        let now = SystemTime::now();
        let ours = lock("a", now + LOCK_HOLDS / 2);
        let stale = lock("b", now);
        let taken = |id: &str| Ok(Some(lock(id, now + LOCK_HOLDS)));
        let relock = |new: &str, old: &str| Wish::Relock {
            new: new.into(),
            old: old.into(),
        };
        let cases = [
            (None, Wish::Lock("a".into()), taken("a")),
            (Some(&ours), Wish::Lock("a".into()), taken("a")),
            (Some(&ours), Wish::Lock("b".into()), Err("a".to_owned())),
            (Some(&stale), Wish::Lock("a".into()), taken("a")),
            (None, Wish::Refresh("a".into()), Err(String::new())),
            (Some(&ours), Wish::Refresh("a".into()), taken("a")),
            (Some(&ours), Wish::Refresh("b".into()), Err("a".to_owned())),
            (Some(&stale), Wish::Refresh("b".into()), Err(String::new())),
            (None, Wish::Unlock("a".into()), Err(String::new())),
            (Some(&ours), Wish::Unlock("a".into()), Ok(None)),
            (Some(&ours), Wish::Unlock("b".into()), Err("a".to_owned())),
            (None, relock("n", "a"), Err(String::new())),
            (Some(&ours), relock("n", "a"), taken("n")),
            (Some(&ours), relock("n", "b"), Err("a".to_owned())),
        ];
        for (there, wish, expected) in cases {
            assert_eq!(decide(there, &wish, now), expected, "{there:?} {wish:?}");
        }
    }
}
