// SPDX-License-Identifier: GPL-2.0-only
//! Values by keys without an order.

use super::{in_key_order, takes, PARTS};
use crate::raw_lock::{Guard, RawLock};
use std::{
    collections::{hash_map::Entry, HashMap},
    hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher},
    ops::Range,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// As [`SideTable`](super::SideTable), for keys of which none is asked for by its place in an order: threads that use
/// different ones do not wait for each other.
pub struct HashTable<K, V>([Part<K, V>; PARTS]);

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// A cache line or more, so that its lock is not beside another.
#[repr(align(64))]
struct Part<K, V> {
    map: RawLock<Map<K, V>>,
    /// Goes up, under the lock, with whatever may have changed something.
    changes: AtomicU64,
}

/// Tells whether what is known of a key may have changed.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a>(&'a AtomicU64);

impl Changes<'_> {
    /// As long as this number is the same, so is what [`look`](HashTable::look) finds of the key, for a
    /// caller that has asked for the number before.
    #[inline(always)]
    pub fn count(self) -> u64 {
        // Pairs with the `Release` in `Part::changes()`: who sees the number sees the change, or
        // waits for the lock under which that is made.
        self.0.load(Acquire)
    }
}

impl<K, V> Part<K, V> {
    fn changes(&self) -> Guard<'_, Map<K, V>> {
        takes(1);
        let map = self.map.lock();
        // Pairs with the `Acquire` in `Changes::count()`.
        let changes = self.changes.load(Relaxed) + 1;
        self.changes.store(changes, Release);
        map
    }
}

impl<K: Hash + Ord + Copy, V> HashTable<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self(
            [const {
                Part {
                    map: RawLock::new(HashMap::with_hasher(BuildHasherDefault::new())),
                    changes: AtomicU64::new(0),
                }
            }; PARTS],
        )
    }

    #[inline]
    fn part(&self, key: K) -> &Part<K, V> {
        // CAST: Bits that the map does not use itself.
        let hash = BuildHasherDefault::<Spread>::new().hash_one(key) >> 40;
        &self.0[hash as usize % PARTS]
    }

    /// The changes of a key.
    #[inline]
    pub fn changes(&self, key: K) -> Changes<'_> {
        Changes(&self.part(key).changes)
    }

    /// Sets the value of a key and returns the one before.
    pub fn insert(&self, key: K, value: V) -> Option<V> {
        self.part(key).changes().insert(key, value)
    }

    /// Makes `new` the value of a key, by `f` of the value before, if it has one; then returns what `f`
    /// returns.
    pub fn replace<T, R>(&self, key: K, new: T, f: impl FnOnce(&mut V, T) -> R) -> Option<R>
    where
        V: From<T>,
    {
        match self.part(key).changes().entry(key) {
            Entry::Occupied(mut entry) => Some(f(entry.get_mut(), new)),
            Entry::Vacant(entry) => {
                entry.insert(new.into());
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove(&self, key: K) -> Option<V> {
        self.part(key).changes().remove(&key)
    }

    /// Calls `f` with the value of a key, which is `V::default()` if it has none.
    pub fn with_entry<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        f(self.part(key).changes().entry(key).or_default())
    }

    /// Takes a value out if `f` says so, and calls `then` with it before others find it gone.
    pub fn move_if(&self, key: K, f: impl FnOnce(&V) -> bool, then: impl FnOnce(V)) {
        let mut map = self.part(key).changes();
        if map.get(&key).is_some_and(f) {
            map.remove(&key).map(then);
        }
    }

    /// Calls `f` with the value of a key, if it has one.
    pub fn with<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.part(key).changes().get_mut(&key).map(f)
    }

    /// As [`with`](Self::with), for a change that does not count as one: of something that no caller who
    /// counts them looks at.
    pub fn amend<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        takes(1);
        self.part(key).map.lock().get_mut(&key).map(f)
    }

    /// As [`with`](Self::with), for what changes nothing.
    pub fn look<R>(&self, key: K, f: impl FnOnce(&V) -> R) -> Option<R> {
        takes(1);
        self.part(key).map.lock().get(&key).map(f)
    }

    /// Of all for which `f` returns something, what it returns, in the order of the keys.
    pub fn filter_map<R>(
        &self,
        mut f: impl FnMut(K, &mut V) -> Option<R>,
    ) -> impl Iterator<Item = R> {
        let mut found = Vec::new();
        for part in &self.0 {
            let mut map = part.changes();
            takes(map.len());
            for (key, value) in map.iter_mut() {
                found.extend(f(*key, value).map(|result| (*key, result)));
            }
        }
        in_key_order(found)
    }
}

impl<V> HashTable<usize, V> {
    /// As [`filter_map`](Self::filter_map), for those whose keys are addresses of words in this memory.
    pub fn in_memory<'a, R: 'a>(
        &'a self,
        memory: Range<usize>,
        mut f: impl FnMut(usize, &mut V) -> Option<R> + 'a,
    ) -> impl Iterator<Item = R> + 'a {
        let word = size_of::<usize>();
        let addrs = (memory.start.next_multiple_of(word)..memory.end).step_by(word);
        addrs.filter_map(move |addr| self.with(addr, |value| f(addr, value))?)
    }
}

impl<K: Hash + Ord + Copy, V> Default for HashTable<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// A hash of numbers and addresses.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let spread = (self.0 ^ number).wrapping_mul(GOLDEN);
        self.0 = spread ^ spread >> 32;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_use_other_parts_do_not_wait() {
        let hashed = HashTable::new();
        let part = |key: usize| core::ptr::from_ref(hashed.part(key)).addr();
        hashed.insert(0, ());
        let parts: std::collections::BTreeSet<_> = (0..1000).map(|n| part(n * 64)).collect();
        assert!(parts.len() > PARTS / 2, "{}", parts.len());
    }

    #[test]
    fn what_moves_is_in_its_new_place_before_it_is_gone() {
        let (from, to) = (HashTable::new(), HashTable::new());
        from.insert(1, 'a');
        from.move_if(1, |value| *value == 'b', |_| panic!("it was not to move"));
        from.move_if(2, |_| true, |_| panic!("there is none"));
        assert_eq!(from.with(1, |value| *value), Some('a'));
        from.move_if(
            1,
            |value| *value == 'a',
            |value| {
                let locked = from.0.iter().any(|part| part.map.is_locked());
                assert!(locked, "others may find it gone");
                to.insert(1, value);
            },
        );
        assert_eq!((from.remove(1), to.remove(1)), (None, Some('a')));
    }

    #[test]
    fn what_changes_is_told_from_what_is_looked_at() {
        let table = HashTable::new();
        let changed = |f: &dyn Fn()| {
            let before = table.changes(1).count();
            f();
            before != table.changes(1).count()
        };
        assert!(changed(&|| _ = table.insert(1, 'a')));
        assert!(!changed(&|| _ = table.look(1, |value| *value)));
        assert!(!changed(&|| _ = table.amend(1, |value| *value = 'd')));
        assert!(changed(&|| _ = table.with(1, |value| *value = 'b')));
        assert!(changed(&|| table
            .filter_map(|_, value| Some(core::mem::replace(value, 'c')))
            .for_each(drop)));
        assert!(changed(&|| table.move_if(1, |_| true, drop)));
        assert!(changed(&|| _ = table.remove(1)));
    }

    #[test]
    fn words_of_memory_are_looked_at() {
        let table = HashTable::new();
        for addr in [0x1000, 0x1008, 0x1018, 0x1020] {
            table.insert(addr, ());
        }
        let found = table.in_memory(0x1001..0x1020, |addr, ()| Some(addr));
        assert_eq!(found.collect::<Vec<_>>(), [0x1008, 0x1018]);
    }
}
