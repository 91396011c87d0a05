// SPDX-License-Identifier: GPL-2.0-only
//! Values by addresses.

use super::{in_key_order, takes, PARTS};
use crate::raw_lock::{Guard, RawLock};
use std::{collections::BTreeMap, ops::Range};

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

/// As [`SideTable`](super::SideTable), for things in memory: what begins in different pages is not waited for.
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

impl<V> PageTable<usize, V> {
    /// Calls `f` with the last thing that begins at `addr` or before, in the page that it is in, until it
    /// returns something for one that begins there or in one of the `pages` before.
    pub fn at_or_before<R>(
        &self,
        addr: usize,
        pages: usize,
        f: impl Fn(usize, &mut V) -> Option<R>,
    ) -> Option<R> {
        let before = |page: &mut BTreeMap<usize, V>| {
            let (key, value) = page.range_mut(..addr).next_back()?;
            f(*key, value)
        };
        let mut page = self.page(addr);
        // Most ask for what is there; a range looks for its other end as well.
        if let Some(value) = page.get_mut(&addr) {
            return f(addr, value);
        }
        let found = before(&mut page);
        drop(page);
        let mut earlier = (1..=pages).map_while(|n| addr.checked_sub(n * PAGE));
        found.or_else(|| earlier.find_map(|start| before(&mut self.page(start))))
    }
}

impl<K: Addressed, V> Default for PageTable<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_use_other_pages_do_not_wait() {
        let paged = PageTable::new();
        let page = |key: usize| core::ptr::from_ref(&*paged.page(key)).addr();
        paged.insert(0, ());
        assert!(page(0) == page(PAGE - 1) && page(0) != page(PAGE));
    }

    #[test]
    fn what_begins_in_a_page_before_is_found() {
        let table = PageTable::new();
        let (far, near) = (PAGE, 3 * PAGE - 8);
        table.insert(far, 'f');
        table.insert(near, 'n');
        // In the same part, and far away.
        table.insert(3 * PAGE + PARTS * PAGE, 'x');
        let before = |addr, pages| table.at_or_before(addr, pages, |_, value| Some(*value));
        assert_eq!(before(near, 0), Some('n'));
        assert_eq!(before(near - 1, 1), Some('f'));
        assert_eq!(before(near - 1, 0), None);
        assert_eq!(before(3 * PAGE, 0), None);
        assert_eq!(before(3 * PAGE, 1), Some('n'));
        assert_eq!(before(far - 1, 5), None);
        let not_near = table.at_or_before(3 * PAGE, 2, |key, _| (key != near).then_some(key));
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
