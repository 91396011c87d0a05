// SPDX-License-Identifier: GPL-2.0-only
//! Memory for what a debug kernel knows of objects without a place for it in them.

use crate::raw_lock::{Guard, RawLock};
use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher},
    ops::Range,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

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
            map.range(start..end)
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

/// Parts of a [`HashTable`].
const PARTS: usize = 64;

/// As [`SideTable`], for keys of which none is asked for by its place in an order: threads that use
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

impl<K, V> Part<K, V> {
    fn changes(&self) -> Guard<'_, Map<K, V>> {
        takes(1);
        let map = self.map.lock();
        // Pairs with the `Acquire` in `HashTable::changes()`.
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

    /// As long as this number is the same, so is what [`look`](Self::look) finds of the key, for a
    /// caller that has asked for the number before.
    #[inline]
    pub fn changes(&self, key: K) -> u64 {
        // Pairs with the `Release` in `Part::changes()`: who sees the number sees the change, or
        // waits for the lock under which that is made.
        self.part(key).changes.load(Acquire)
    }

    /// Sets the value of a key and returns the one before.
    pub fn insert(&self, key: K, value: V) -> Option<V> {
        self.part(key).changes().insert(key, value)
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

    /// As [`with`](Self::with), for what does not count as a change.
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

/// A key that says where something begins.
pub trait Addressed: Ord + Copy {
    /// The address.
    fn addr(&self) -> usize;
}

impl Addressed for usize {
    fn addr(&self) -> usize {
        *self
    }
}

impl<K: Ord + Copy> Addressed for (usize, K) {
    fn addr(&self) -> usize {
        self.0
    }
}

/// As [`SideTable`], for things in memory: what begins in different pages is not waited for.
pub struct PageTable<K, V>([Page<K, V>; PARTS]);

/// The things of every so many pages.
#[repr(align(64))]
struct Page<K, V>(RawLock<BTreeMap<K, V>>);

/// Bytes of a page.
const PAGE: usize = 4096;

impl<K: Addressed, V> PageTable<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self([const { Page(RawLock::new(BTreeMap::new())) }; PARTS])
    }

    fn page(&self, addr: usize) -> Guard<'_, BTreeMap<K, V>> {
        takes(1);
        self.0[addr / PAGE % PARTS].0.lock()
    }

    /// Sets the value of a key and returns the one before.
    pub fn insert(&self, key: K, value: V) -> Option<V> {
        self.page(key.addr()).insert(key, value)
    }

    /// Sets the value of a key that has none; otherwise returns a copy of it.
    pub fn insert_new(&self, key: K, value: V) -> Option<V>
    where
        V: Clone,
    {
        let mut page = self.page(key.addr());
        let old = page.get(&key).cloned();
        if old.is_none() {
            page.insert(key, value);
        }
        old
    }

    /// Takes a value out.
    pub fn remove(&self, key: K) -> Option<V> {
        self.page(key.addr()).remove(&key)
    }

    /// Calls `f` with the value of a key, if it has one.
    pub fn with<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.page(key.addr()).get_mut(&key).map(f)
    }

    /// Calls `f` with the last thing that begins before `end`, in the page that `addr` is in, until
    /// it returns something for one that begins there or in one of the `pages` before.
    pub fn before<R>(
        &self,
        addr: usize,
        end: K,
        pages: usize,
        mut f: impl FnMut(K, &V) -> Option<R>,
    ) -> Option<R> {
        let pages = (0..=pages).map_while(|n| addr.checked_sub(n * PAGE));
        pages.into_iter().find_map(|addr| {
            let page = self.page(addr);
            let (key, value) = page.range(..end).next_back()?;
            f(*key, value)
        })
    }

    /// Copies of what begins in this memory, in order; `first` is the least key of an address.
    pub fn in_memory(&self, memory: Range<usize>, first: impl Fn(usize) -> K) -> Vec<(K, V)>
    where
        V: Clone,
    {
        let mut found = Vec::new();
        let mut start = memory.start;
        while start < memory.end {
            let end = (start / PAGE + 1).saturating_mul(PAGE).min(memory.end);
            let page = self.page(start);
            let there = page.range(first(start)..first(end));
            found.extend(there.map(|(key, value)| (*key, value.clone())));
            start = end;
        }
        takes(found.len());
        found
    }

    /// Of all for which `f` returns something, what it returns, in the order of the keys.
    pub fn filter_map<R>(
        &self,
        mut f: impl FnMut(K, &mut V) -> Option<R>,
    ) -> impl Iterator<Item = R> {
        let mut found = Vec::new();
        for page in &self.0 {
            let mut page = page.0.lock();
            takes(page.len());
            for (key, value) in page.iter_mut() {
                found.extend(f(*key, value).map(|result| (*key, result)));
            }
        }
        in_key_order(found)
    }
}

impl<K: Addressed, V> Default for PageTable<K, V> {
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

    #[test]
    fn threads_that_use_other_parts_do_not_wait() {
        let (hashed, paged) = (HashTable::new(), PageTable::new());
        let part = |key: usize| core::ptr::from_ref(hashed.part(key)).addr();
        let page = |key: usize| core::ptr::from_ref(&*paged.page(key)).addr();
        hashed.insert(0, ());
        paged.insert(0, ());
        let parts: std::collections::BTreeSet<_> = (0..1000).map(|n| part(n * 64)).collect();
        assert!(parts.len() > PARTS / 2, "{}", parts.len());
        assert!(page(0) == page(PAGE - 1) && page(0) != page(PAGE));
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
            let before = table.changes(1);
            f();
            before != table.changes(1)
        };
        assert!(changed(&|| _ = table.insert(1, 'a')));
        assert!(!changed(&|| _ = table.look(1, |value| *value)));
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

    #[test]
    fn what_begins_in_a_page_before_is_found() {
        let table = PageTable::new();
        let (far, near) = (PAGE, 3 * PAGE - 8);
        table.insert(far, 'f');
        table.insert(near, 'n');
        // In the same part, and far away.
        table.insert(3 * PAGE + PARTS * PAGE, 'x');
        let before = |addr, pages| table.before(addr, addr + 1, pages, |_, &value| Some(value));
        assert_eq!(before(near, 0), Some('n'));
        assert_eq!(before(near - 1, 1), Some('f'));
        assert_eq!(before(near - 1, 0), None);
        assert_eq!(before(3 * PAGE, 0), None);
        assert_eq!(before(3 * PAGE, 1), Some('n'));
        assert_eq!(before(far - 1, 5), None);
        let not_near = table.before(3 * PAGE, 3 * PAGE + 1, 2, |key, _| {
            (key != near).then_some(key)
        });
        assert_eq!(not_near, Some(far));
    }

    #[test]
    fn what_begins_in_memory_is_there_in_order() {
        let table = PageTable::new();
        let addrs = [
            PAGE - 1,
            PAGE,
            2 * PAGE - 1,
            2 * PAGE,
            3 * PAGE,
            3 * PAGE + 1,
        ];
        for addr in addrs {
            // Two of each address, and of a page with the same part.
            table.insert((addr, 2), ());
            table.insert((addr, 1), ());
            table.insert((addr + PARTS * PAGE, 0), ());
        }
        let there = |memory| {
            let found = table.in_memory(memory, |addr| (addr, 0));
            found.into_iter().map(|(key, ())| key).collect::<Vec<_>>()
        };
        let both = |addrs: &[usize]| -> Vec<_> {
            addrs
                .iter()
                .flat_map(|&addr| [(addr, 1), (addr, 2)])
                .collect()
        };
        assert_eq!(there(PAGE..3 * PAGE + 1), both(&addrs[1..5]));
        assert_eq!(there(PAGE + 1..2 * PAGE - 1), []);
        assert_eq!(there(PAGE..PAGE), []);
        assert_eq!(there(0..PAGE), both(&addrs[..1]));
    }
}
