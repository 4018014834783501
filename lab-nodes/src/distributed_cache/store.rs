//! What one member knows. A state of an entry only ever moves one way, from absent over held to
//! gone, and of two that are held the same one wins everywhere: members that have seen the same
//! changes agree, in whatever order these came.

use std::collections::{BTreeSet, HashMap};

use super::token::Key;

/// Longest value, in bytes.
pub(super) const LONGEST_VALUE: usize = 8 << 10;

/// What is known of a key. Of two states the greater one wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It stands for this.
    Held(Vec<u8>),
    /// It can be used once, and was, by who chose this number.
    Claimed([u8; 16]),
    /// It was taken away. Kept until it would have expired, so that no member brings it back.
    Gone,
}

/// What is known, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it stands for.
    pub state: State,
    /// When it expires, in milliseconds since the Unix epoch.
    pub until: u64,
}

/// What became of an entry that was merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// Nothing was known under the key, or the same.
    Taken,
    /// Something else is held there, or it is gone.
    Conflict,
    /// No room, not even after all sessions were dropped.
    Full,
}

/// The entries of a member, bounded.
#[derive(Debug)]
pub struct Store {
    entries: HashMap<Key, Entry>,
    /// By expiry, the soonest first.
    order: BTreeSet<(u64, Key)>,
    /// Those of them that may be dropped before: a session that is lost is a login more, a claim
    /// that is lost is a token that can be used twice.
    droppable: BTreeSet<(u64, Key)>,
    bytes: usize,
    most_entries: usize,
    most_bytes: usize,
}

impl Store {
    /// With room for so many entries and bytes of values.
    pub fn new(most_entries: usize, most_bytes: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeSet::new(),
            droppable: BTreeSet::new(),
            bytes: 0,
            most_entries,
            most_bytes,
        }
    }

    /// The value held under a key at this time.
    pub fn get(&self, key: &Key, now: u64) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.until > now)
    }

    /// All that has not expired.
    pub fn all(&self, now: u64) -> impl Iterator<Item = (&Key, &Entry)> {
        let lives = move |(_, entry): &(&Key, &Entry)| entry.until > now;
        self.entries.iter().filter(lives)
    }

    /// Takes an entry in.
    pub fn merge(&mut self, key: Key, entry: Entry, now: u64) -> Merged {
        self.expire(now);
        if entry.until <= now {
            return Merged::Taken;
        }
        let merged = match self.entries.get(&key) {
            None => Merged::Taken,
            Some(known) if known.state == entry.state => Merged::Taken,
            Some(_) => Merged::Conflict,
        };
        let wins = self
            .entries
            .get(&key)
            .is_none_or(|known| (&entry.state, entry.until) > (&known.state, known.until));
        if !wins {
            return merged;
        }
        self.take_out(&key);
        let size = size_of(&entry);
        if size > LONGEST_VALUE || !self.make_room(size) {
            return Merged::Full;
        }
        self.bytes += size;
        self.order.insert((entry.until, key));
        if matches!(entry.state, State::Held(_)) {
            self.droppable.insert((entry.until, key));
        }
        self.entries.insert(key, entry);
        merged
    }

    /// Drops those sessions that expire soonest until another entry fits.
    fn make_room(&mut self, size: usize) -> bool {
        while self.entries.len() >= self.most_entries || self.bytes + size > self.most_bytes {
            let Some((_, soonest)) = self.droppable.first().copied() else {
                return false;
            };
            self.take_out(&soonest);
        }
        true
    }

    fn expire(&mut self, now: u64) {
        while let Some((until, key)) = self.order.first().copied() {
            if until > now {
                break;
            }
            self.take_out(&key);
        }
    }

    fn take_out(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= size_of(&entry);
            self.order.remove(&(entry.until, *key));
            self.droppable.remove(&(entry.until, *key));
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

fn size_of(entry: &Entry) -> usize {
    match &entry.state {
        State::Held(value) => value.len(),
        State::Claimed(_) | State::Gone => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::of(b"test", name.as_bytes())
    }

    fn held(value: &str, until: u64) -> Entry {
        Entry {
            state: State::Held(value.into()),
            until,
        }
    }

    fn gone(until: u64) -> Entry {
        Entry {
            state: State::Gone,
            until,
        }
    }

    fn sorted(store: &Store, now: u64) -> Vec<(Key, Entry)> {
        let mut all: Vec<_> = store.all(now).map(|(k, e)| (*k, e.clone())).collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }

    #[test]
    fn members_agree_in_whatever_order_changes_came() {
        let changes = [
            (key("a"), held("1", 100)),
            (key("a"), gone(100)),
            (key("b"), held("x", 90)),
            (key("b"), held("y", 80)),
            (key("c"), held("z", 70)),
        ];
        let mut orders = vec![
            vec![0, 1, 2, 3, 4],
            vec![4, 3, 2, 1, 0],
            vec![1, 0, 3, 2, 4],
        ];
        orders.push(vec![2, 2, 0, 3, 1, 0, 4, 1, 3]);
        let known: Vec<_> = orders
            .iter()
            .map(|order| {
                let mut store = Store::new(10, 1000);
                for &at in order {
                    let (key, entry) = changes[at].clone();
                    store.merge(key, entry, 1);
                }
                sorted(&store, 1)
            })
            .collect();
        assert!(known.windows(2).all(|pair| pair[0] == pair[1]), "{known:?}");
        assert_eq!(known[0].len(), 3);
    }

    #[test]
    fn what_is_gone_does_not_come_back() {
        let mut store = Store::new(10, 1000);
        assert_eq!(store.merge(key("a"), held("1", 100), 1), Merged::Taken);
        store.merge(key("a"), gone(100), 1);
        assert_eq!(store.merge(key("a"), held("1", 100), 1), Merged::Conflict);
        assert_eq!(store.get(&key("a"), 1), Some(&gone(100)));
    }

    #[test]
    fn two_that_claim_the_same_both_learn_of_it() {
        let (mut one, mut other) = (Store::new(10, 100), Store::new(10, 100));
        let claimed = |by| Entry {
            state: State::Claimed([by; 16]),
            until: 50,
        };
        let (mine, theirs) = (claimed(1), claimed(2));
        one.merge(key("id"), mine.clone(), 1);
        other.merge(key("id"), theirs.clone(), 1);
        assert_eq!(other.merge(key("id"), mine, 1), Merged::Conflict);
        assert_eq!(one.merge(key("id"), theirs, 1), Merged::Conflict);
        assert_eq!(sorted(&one, 1), sorted(&other, 1));
    }

    #[test]
    fn entries_expire_and_memory_is_bounded() {
        let mut store = Store::new(3, 10);
        for (name, until) in [("a", 10), ("b", 20), ("c", 30), ("d", 40)] {
            store.merge(key(name), held("123", until), 1);
        }
        assert_eq!((store.len(), store.get(&key("a"), 1)), (3, None));
        assert_eq!(store.get(&key("b"), 25), None);
        store.merge(key("e"), held("12345678", 50), 1);
        assert_eq!((store.len(), store.bytes), (1, 8));
        assert_eq!(
            store.merge(key("f"), held("12345678901", 60), 1),
            Merged::Full
        );
        store.merge(key("g"), gone(70), 65);
        assert_eq!((store.len(), store.bytes, store.order.len()), (1, 0, 1));
        for by in 0..3 {
            let state = State::Claimed([by; 16]);
            store.merge(key(&by.to_string()), Entry { state, until: 80 }, 65);
        }
        let full = store.merge(key("h"), gone(90), 65);
        assert_eq!(
            (store.len(), full),
            (3, Merged::Full),
            "no claim is dropped"
        );
    }
}
