// SPDX-License-Identifier: GPL-2.0-only
//! Values of addresses, each of which stays in one place as long as the address has one.
//!
//! A place is never freed, and is another address's only after it has been given back. So a thread may
//! remember where the value of an address was, and looks there whether that is still so: without a lock,
//! and without looking it up again.

use super::{
    hash::{part_of, Spread},
    takes, PARTS,
};
use crate::raw_lock::{Guard, RawLock};
use std::{
    cell::Cell,
    collections::{hash_map::Entry, HashMap},
    hash::BuildHasherDefault,
    ops::{Deref, Range},
    ptr,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Release},
    },
};

/// No address.
const NOWHERE: usize = usize::MAX;

/// What is kept of an address: `V`, of which each thread may look at what it likes, and `L`, under a lock.
pub struct Place<V, L> {
    /// Changes under the lock of the value alone.
    addr: AtomicUsize,
    value: V,
    locked: RawLock<L>,
}

impl<V, L> Place<V, L> {
    /// Takes the lock. It is held for a few instructions, in which the same thread takes no other.
    #[inline]
    pub fn lock(&self) -> Guard<'_, L> {
        self.locked.lock()
    }

    /// As [`lock`](Self::lock), unless the place is not that of `addr` any more.
    #[inline]
    pub fn lock_at(&self, addr: usize) -> Option<Guard<'_, L>> {
        let locked = self.lock();
        self.is_at(addr).then_some(locked)
    }

    /// True if it is the place of that address. It stays so while the lock is held.
    #[inline]
    pub fn is_at(&self, addr: usize) -> bool {
        // Pairs with the `Release` of `goes_to()`.
        self.addr.load(Acquire) == addr
    }

    /// The address whose place it is.
    pub fn addr(&self) -> usize {
        // Pairs as in `is_at()`.
        self.addr.load(Acquire)
    }

    fn goes_to(&self, addr: usize) {
        // Pairs with the `Acquire` of `is_at()`: what was written for another address is over.
        self.addr.store(addr, Release);
    }
}

impl<V, L> Deref for Place<V, L> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        &self.value
    }
}

type At<V, L> = &'static Place<V, L>;

/// The places of a part of the addresses.
struct Part<V: 'static, L: 'static> {
    there: HashMap<usize, At<V, L>, BuildHasherDefault<Spread>>,
    free: Vec<At<V, L>>,
}

/// A cache line or more, so that its lock is not beside another.
#[repr(align(64))]
struct Apart<T>(RawLock<T>);

/// Places by the addresses that have them. No function here takes the lock of a place before that of a part
/// is released: who has the former may call all of them.
pub struct Places<V: 'static, L: 'static>([Apart<Part<V, L>>; PARTS]);

impl<V: Default, L: Default> Places<V, L> {
    /// No address has one.
    pub const fn new() -> Self {
        Self(
            [const {
                Apart(RawLock::new(Part {
                    there: HashMap::with_hasher(BuildHasherDefault::new()),
                    free: Vec::new(),
                }))
            }; PARTS],
        )
    }

    fn part(&self, addr: usize) -> Guard<'_, Part<V, L>> {
        takes(1);
        self.0[part_of(addr)].0.lock()
    }

    /// The place of an address, if it has one.
    pub fn at(&self, addr: usize) -> Option<At<V, L>> {
        self.part(addr).there.get(&addr).copied()
    }

    /// Gives an address a place, unless it has one.
    fn add(&self, addr: usize) -> At<V, L> {
        let mut part = self.part(addr);
        let Part { there, free } = &mut *part;
        match there.entry(addr) {
            Entry::Occupied(entry) => entry.get(),
            Entry::Vacant(entry) => {
                let place = free.pop().unwrap_or_else(|| {
                    Box::leak(Box::new(Place {
                        addr: AtomicUsize::new(NOWHERE),
                        value: V::default(),
                        locked: RawLock::new(L::default()),
                    }))
                });
                place.goes_to(addr);
                entry.insert(place)
            }
        }
    }

    /// The place of an address, which gets one, and its lock.
    pub fn enter(&self, addr: usize) -> (At<V, L>, Guard<'static, L>) {
        loop {
            let place = self.add(addr);
            if let Some(locked) = place.lock_at(addr) {
                return (place, locked);
            }
        }
    }

    /// The address has no place any more; and this one, whose lock the caller holds, none. It is the
    /// caller's until it [frees](Self::free) that.
    pub fn leave(&self, place: At<V, L>, addr: usize) {
        if place.is_at(addr) {
            let mut part = self.part(addr);
            part.there.remove(&addr);
            // Before another place can be that of the address: a thread that remembers this one, and has
            // heard of what is in the other, looks there.
            place.goes_to(NOWHERE);
        }
    }

    /// A place is free, as its value says by now, for one of those addresses to which it belonged before. The
    /// caller has left it.
    pub fn free(&self, place: At<V, L>, addr: usize) {
        self.part(addr).free.push(place);
    }

    /// Those of all addresses.
    pub fn all(&self) -> impl Iterator<Item = At<V, L>> {
        let mut all = Vec::new();
        for part in &self.0 {
            all.extend(part.0.lock().there.values());
        }
        takes(all.len());
        all.into_iter()
    }

    /// Those of the addresses of words in this memory.
    pub fn in_memory(&self, memory: Range<usize>) -> impl Iterator<Item = At<V, L>> + '_ {
        let word = size_of::<usize>();
        let addrs = (memory.start.next_multiple_of(word)..memory.end).step_by(word);
        addrs.filter_map(move |addr| self.at(addr))
    }
}

impl<V: Default, L: Default> Default for Places<V, L> {
    fn default() -> Self {
        Self::new()
    }
}

/// Some of those that a thread has found last, of which it remembers so many.
pub struct Recent<V: 'static, L: 'static, const MANY: usize>([Cell<Option<At<V, L>>>; MANY]);

impl<V: Default, L: Default, const MANY: usize> Recent<V, L, MANY> {
    /// None.
    pub const fn new() -> Self {
        Self([const { Cell::new(None) }; MANY])
    }

    #[inline(always)]
    fn slot(&self, addr: usize) -> &Cell<Option<At<V, L>>> {
        const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
        const { assert!(MANY.is_power_of_two() && MANY > 1) };
        &self.0[addr.wrapping_mul(GOLDEN) / (usize::MAX / MANY + 1)]
    }

    /// The place of an address, if it is remembered.
    #[inline(always)]
    pub fn get(&self, addr: usize) -> Option<At<V, L>> {
        self.slot(addr).get().filter(|place| place.is_at(addr))
    }

    /// [`Places::at`].
    #[inline(always)]
    pub fn at(&self, places: &Places<V, L>, addr: usize) -> Option<At<V, L>> {
        self.get(addr).or_else(|| self.look(places, addr))
    }

    #[cold]
    #[inline(never)]
    fn look(&self, places: &Places<V, L>, addr: usize) -> Option<At<V, L>> {
        let place = places.at(addr);
        if place.is_some() {
            self.slot(addr).set(place);
        }
        place
    }

    /// [`Places::enter`].
    #[inline]
    pub fn enter(&self, places: &Places<V, L>, addr: usize) -> (At<V, L>, Guard<'static, L>) {
        if let Some(place) = self.get(addr) {
            if let Some(locked) = place.lock_at(addr) {
                return (place, locked);
            }
        }
        let (place, locked) = places.enter(addr);
        self.slot(addr).set(Some(place));
        (place, locked)
    }
}

impl<V: Default, L: Default, const MANY: usize> Default for Recent<V, L, MANY> {
    fn default() -> Self {
        Self::new()
    }
}

/// The same places.
impl<V, L> PartialEq for Place<V, L> {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    type Numbers = Places<AtomicU64, u64>;

    #[test]
    fn what_is_remembered_is_found_only_while_it_is_there() {
        let (places, recent) = (Numbers::new(), Recent::<_, _, 4>::new());
        assert!(recent.at(&places, 64).is_none());
        let (place, mut locked) = recent.enter(&places, 64);
        *locked = 1;
        drop(locked);
        place.store(2, Relaxed);
        let again = recent.at(&places, 64).unwrap();
        assert!(again == place && places.at(64) == Some(place));
        assert_eq!((*again.lock(), again.load(Relaxed)), (1, 2));
        let locked = place.lock();
        places.leave(place, 64);
        drop(locked);
        assert!(recent.at(&places, 64).is_none() && places.at(64).is_none());
        assert!(place.lock_at(64).is_none());
        // Another one, while that is still used.
        let (other, _) = recent.enter(&places, 64);
        assert!(other != place);
    }

    #[test]
    fn what_is_free_is_used_again() {
        let places = Numbers::new();
        let (place, _) = places.enter(64);
        places.leave(place, 64);
        places.free(place, 64);
        assert_eq!(places.all().count(), 0);
        let (again, _) = places.enter(64);
        assert!(again == place && again.is_at(64));
        assert_eq!(places.all().count(), 1);
    }

    #[test]
    fn words_of_memory_are_looked_at() {
        let places = Numbers::new();
        let addrs = [0x1000, 0x1008, 0x1018, 0x1020];
        for addr in addrs {
            places.enter(addr).0.store(addr as u64, Relaxed);
        }
        let found = places.in_memory(0x1001..0x1020);
        let found: Vec<_> = found.map(|place| place.load(Relaxed)).collect();
        assert_eq!(found, [0x1008, 0x1018]);
    }

    /// Who finds one that another thread has just left would take what is there for what is known.
    #[test]
    fn an_address_has_one_place() {
        const ROUNDS: usize = 10_000;
        static PLACES: Numbers = Numbers::new();
        let come_and_go = || {
            for _ in 0..ROUNDS {
                let (place, locked) = PLACES.enter(64);
                assert!(PLACES.all().filter(|place| place.is_at(64)).eq([place]));
                PLACES.leave(place, 64);
                drop(locked);
                PLACES.free(place, 64);
            }
        };
        std::thread::scope(|s| {
            (0..3).for_each(|_| drop(s.spawn(come_and_go)));
        });
    }
}
