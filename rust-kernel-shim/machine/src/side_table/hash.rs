// SPDX-License-Identifier: GPL-2.0-only
//! Values by keys without an order.

use super::{in_key_order, takes, PARTS};
use crate::raw_lock::{Guard, RawLock};
use std::{
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher},
};

/// As [`SideTable`](super::SideTable), for keys of which none is asked for by its place in an order: threads that use
/// different ones do not wait for each other.
pub struct HashTable<K, V>([Part<K, V>; PARTS]);

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// A cache line or more, so that its lock is not beside another.
#[repr(align(64))]
struct Part<K, V>(RawLock<Map<K, V>>);

impl<K: Hash + Ord + Copy, V> HashTable<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self(
            [const {
                Part(RawLock::new(
                    HashMap::with_hasher(BuildHasherDefault::new()),
                ))
            }; PARTS],
        )
    }

    #[inline]
    fn part(&self, key: K) -> Guard<'_, Map<K, V>> {
        takes(1);
        self.0[part_of(key)].0.lock()
    }

    /// Sets the value of a key and returns the one before.
    pub fn insert(&self, key: K, value: V) -> Option<V> {
        self.part(key).insert(key, value)
    }

    /// Takes a value out.
    pub fn remove(&self, key: K) -> Option<V> {
        self.part(key).remove(&key)
    }

    /// Calls `f` with the value of a key, which is `V::default()` if it has none.
    pub fn with_entry<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        f(self.part(key).entry(key).or_default())
    }

    /// Takes a value out if `f` says so.
    pub fn remove_if(&self, key: K, f: impl FnOnce(&V) -> bool) -> Option<V> {
        let mut map = self.part(key);
        map.get(&key).is_some_and(f).then(|| map.remove(&key))?
    }

    /// Calls `f` with the value of a key, if it has one.
    pub fn with<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.part(key).get_mut(&key).map(f)
    }

    /// Of all for which `f` returns something, what it returns, in the order of the keys.
    pub fn filter_map<R>(
        &self,
        mut f: impl FnMut(K, &mut V) -> Option<R>,
    ) -> impl Iterator<Item = R> {
        let mut found = Vec::new();
        for part in &self.0 {
            let mut map = part.0.lock();
            takes(map.len());
            for (key, value) in map.iter_mut() {
                found.extend(f(*key, value).map(|result| (*key, result)));
            }
        }
        in_key_order(found)
    }
}

impl<K: Hash + Ord + Copy, V> Default for HashTable<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// The part of a key: a number less than [`PARTS`].
#[inline]
pub(super) fn part_of(key: impl Hash) -> usize {
    // CAST: Bits that the map does not use itself.
    (BuildHasherDefault::<Spread>::new().hash_one(key) >> 40) as usize % PARTS
}

/// A hash of numbers and addresses.
#[derive(Default)]
pub(super) struct Spread(u64);

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
        let part = |key: usize| core::ptr::from_ref(&*hashed.part(key)).addr();
        hashed.insert(0, ());
        let parts: std::collections::BTreeSet<_> = (0..1000).map(|n| part(n * 64)).collect();
        assert!(parts.len() > PARTS / 2, "{}", parts.len());
    }
}
