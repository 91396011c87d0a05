// SPDX-License-Identifier: GPL-2.0-only
//! Memory for what a debug kernel knows of objects without a place for it in them.

mod hash;
mod page;
mod places;

pub use self::{
    hash::HashTable,
    page::{Addressed, PageTable},
    places::{Place, Places, Recent},
};

/// While it lives, a lock is held.
pub use crate::raw_lock::Guard;

use crate::raw_lock::RawLock;
use std::{cell::Cell, collections::BTreeMap};

crate::per_thread! {
    static STEPS: Cell<u64> = Cell::new(0);
}

/// How often this thread has used a table, and what it was given of more than one, for tests of what
/// that costs.
pub fn steps() -> u64 {
    STEPS.get()
}

/// A table is used, or so many of its entries are looked at.
fn takes(steps: usize) {
    STEPS.set(STEPS.get() + steps as u64);
}

/// Memory that is not the kernel's own either.
#[doc(no_inline)]
pub use std::{boxed::Box, collections::BTreeSet, vec::Vec};

/// Words of memory, copied.
pub type Words = Vec<usize>;

/// What was found in one place after the other, in the order of the keys.
pub fn in_key_order<K: Ord + Copy, R>(mut found: Vec<(K, R)>) -> impl Iterator<Item = R> {
    found.sort_by_key(|&(key, _)| key);
    found.into_iter().map(|(_, result)| result)
}

/// Values by key, outside of the kernel's own memory: what is kept here is in no book of blocks,
/// no allocation of it is counted, and none is made to fail.
///
/// All functions may be called from any context. Their closures must not use the same `SideTable`.
pub struct SideTable<K, V>(RawLock<BTreeMap<K, V>>);

impl<K: Ord + Copy, V> SideTable<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self(RawLock::new(BTreeMap::new()))
    }

    fn map(&self) -> Guard<'_, BTreeMap<K, V>> {
        takes(1);
        self.0.lock()
    }

    /// Sets the value of a key and returns the one before.
    pub fn insert(&self, key: K, value: V) -> Option<V> {
        self.map().insert(key, value)
    }

    /// Takes a value out.
    pub fn remove(&self, key: K) -> Option<V> {
        self.map().remove(&key)
    }

    /// Calls `f` with the value of a key, which is `V::default()` if it has none.
    pub fn with_entry<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        f(self.map().entry(key).or_default())
    }

    /// Takes a value out if `f` says so.
    pub fn remove_if(&self, key: K, f: impl FnOnce(&V) -> bool) -> Option<V> {
        let mut map = self.map();
        map.get(&key).is_some_and(f).then(|| map.remove(&key))?
    }

    /// Calls `f` with the value of a key, if it has one.
    pub fn with<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.map().get_mut(&key).map(f)
    }

    /// The last key that is not after `key`, and what `f` makes of it and its value.
    pub fn at_or_before<R>(&self, key: K, f: impl FnOnce(K, &V) -> R) -> Option<(K, R)> {
        let map = self.map();
        // Most ask for what is there; a range looks for its other end as well.
        if let Some(value) = map.get(&key) {
            return Some((key, f(key, value)));
        }
        let (key, value) = map.range(..key).next_back()?;
        Some((*key, f(*key, value)))
    }

    /// Returns copies of the first `most` values of the keys `start..end`, in order.
    pub fn range(&self, start: K, end: K, most: usize) -> impl Iterator<Item = (K, V)>
    where
        V: Clone,
    {
        let map = self.map();
        let found: Vec<(K, V)> = if start < end && !map.is_empty() {
            // To look for the end takes longer than to come to it, as most ask for the first few.
            map.range(start..)
                .take_while(|&(&key, _)| key < end)
                .take(most)
                .map(|(key, value)| (*key, value.clone()))
                .collect()
        } else {
            Vec::new()
        };
        takes(found.len());
        found.into_iter()
    }

    /// Removes those from the key `start` up to, but not including, the key `end`.
    pub fn remove_range(&self, start: K, end: K) {
        self.map()
            .extract_if(start..end, |_, _| true)
            .for_each(drop);
    }

    /// Copies of all, in order, for which `f` returns something: of what it returns.
    pub fn filter_map<R>(
        &self,
        mut f: impl FnMut(K, &mut V) -> Option<R>,
    ) -> impl Iterator<Item = R> {
        let mut map = self.map();
        let found: Vec<R> = map
            .iter_mut()
            .filter_map(|(key, value)| f(*key, value))
            .collect();
        takes(map.len());
        found.into_iter()
    }
}

impl<K: Ord + Copy, V> Default for SideTable<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Parts of a table that threads do not wait for as a whole.
const PARTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_other_parts_is_found_in_order() {
        let (hashed, paged) = (HashTable::new(), PageTable::new());
        let keys = (0..1000).map(|n| n * 7919 % 1000 * 513);
        for key in keys {
            assert_eq!(
                (hashed.insert(key, key), paged.insert(key, key)),
                (None, None)
            );
        }
        let odd = |key: usize, value: &mut usize| (key % 2 == 1).then_some(*value);
        let all: Vec<usize> = (0..1000).map(|n| n * 513).filter(|n| n % 2 == 1).collect();
        assert_eq!(hashed.filter_map(odd).collect::<Vec<_>>(), all);
        assert_eq!(paged.filter_map(odd).collect::<Vec<_>>(), all);
        assert_eq!(
            (hashed.remove(513), paged.remove(513)),
            (Some(513), Some(513))
        );
        assert_eq!((hashed.remove(513), paged.remove(513)), (None, None));
        assert_eq!(hashed.with(1026, |value| *value), Some(1026));
        assert_eq!(paged.with(1026, |value| *value), Some(1026));
    }
}
