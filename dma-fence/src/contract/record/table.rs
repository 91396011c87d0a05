// SPDX-License-Identifier: GPL-2.0-only
//! Where records are, and what finds them.

use super::{
    super::super::bindings::{dma_fence_ops, Live},
    facts::Facts,
    settling::{over, settling},
    tracked::{Known, Rest},
    At, Record,
};
use core::ptr::{eq, from_ref};
use kernel::bindings::{
    debugobjects::{self, HashTable, Places, Recent, SideTable, Vec},
    per_thread, rcu_order,
    rule::{this_machine, Place},
};

/// The place of what is known of a fence: by its address, as long as its memory is its own.
pub(in crate::contract) type Tracked = debugobjects::Place<Facts, Rest>;

/// Those of all addresses that are, or were, those of fences.
pub(super) static FENCES: Places<Facts, Rest> = Places::new();

/// Those of fences that own objects, by their numbers.
static OWNERS: HashTable<u64, &'static Tracked> = HashTable::new();

/// The fences of each machine that comes to an end, by that and their numbers.
static OWN: SideTable<(u64, u64), Id> = SideTable::new();

per_thread! {
    /// Those that this thread has looked at last. A driver calls more than one function for a fence, and
    /// each call has more than one check.
    static RECENT: Recent<Facts, Rest, 128> = Recent::new();
}

/// A fence that has a record, which is found where it was for as long as it has.
#[derive(Clone, Copy)]
pub(in crate::contract) struct Id {
    number: u64,
    place: &'static Tracked,
}

impl Id {
    #[inline]
    pub(super) fn new(number: u64, place: &'static Tracked) -> Self {
        Self { number, place }
    }

    /// That of the fence that is there.
    pub(in crate::contract) fn of(place: &'static Tracked) -> Self {
        Self::new(place.number(), place)
    }

    #[inline]
    pub(in crate::contract) fn number(self) -> u64 {
        self.number
    }

    /// What is known of the fence, which changes for nobody else meanwhile.
    pub(in crate::contract) fn known(self) -> Option<Known> {
        let rest = self.place.lock();
        (self.place.number() == self.number).then(|| Known::new(self.place, rest))
    }

    /// A copy of its record.
    pub(in crate::contract) fn record(self) -> Option<Record> {
        self.known()?.record()
    }

    /// True if it was created in that machine.
    pub(in crate::contract) fn is_of(self, machine: u64) -> bool {
        self.known().is_some_and(|known| known.machine() == machine)
    }

    /// It has objects, by which it is found.
    pub(super) fn is_an_owner(self) {
        OWNERS.insert(self.number, self.place);
    }

    /// It has none any more.
    pub(super) fn is_no_owner(self) {
        OWNERS.remove(self.number);
    }

    #[inline]
    pub(in crate::contract) fn place(self) -> &'static Tracked {
        self.place
    }

    /// What is kept of it elsewhere is there.
    #[inline]
    pub(in crate::contract) fn facts(self) -> &'static Facts {
        self.place
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && eq(self.place, other.place)
    }
}

/// There is a fence, created there, whose ops are these. If it is in `allocated` memory it may point
/// anywhere; for what is returned see [`Points::touched`](super::super::points::Points::touched).
pub(in crate::contract) fn begins(
    fence: &Live,
    ops: &dma_fence_ops,
    created: At,
    allocated: bool,
) -> (Id, Option<Id>) {
    let number = rcu_order();
    let (place, rest) = RECENT.with(|recent| recent.enter(&FENCES, from_ref(fence).addr()));
    let mut known = Known::new(place, rest);
    if known.number() != 0 {
        // Its memory went without being freed, as that of a stack does.
        over(&mut known);
    }
    known.rest.clear_refs();
    known.begin(number, fence, ops, created);
    if known.machine() != 0 {
        OWN.insert((known.machine(), number), known.id());
    }
    let oldest = if allocated {
        known.enters_points()
    } else {
        None
    };
    (known.id(), oldest)
}

/// The record of a fence is about to be over.
pub(super) fn ends(known: &Known) {
    if known.machine() != 0 {
        OWN.remove((known.machine(), known.number()));
    }
}

/// The facts of a fence, if it has a record.
#[inline(always)]
pub(in crate::contract) fn find(fence: *const Live) -> Option<&'static Tracked> {
    let place = RECENT.with(|recent| recent.at(&FENCES, fence.addr()));
    place.filter(|place| place.number() != 0)
}

/// As [`find`], if this thread remembers the fence.
#[inline(always)]
pub(in crate::contract) fn recent(fence: *const Live) -> Option<&'static Tracked> {
    let place = RECENT.with(|recent| recent.get(fence.addr()));
    place.filter(|place| place.number() != 0)
}

/// What is known of a fence, which changes for nobody else meanwhile.
#[inline]
pub(in crate::contract) fn known_of(fence: *const Live) -> Option<Known> {
    let place = find(fence)?;
    let known = Known::new(place, place.lock_at(fence.addr())?);
    (known.number() != 0).then_some(known)
}

/// What is kept at an address.
pub(super) fn at(addr: usize) -> Option<Known> {
    let place = FENCES.at(addr)?;
    Some(Known::new(place, place.lock_at(addr)?))
}

/// What is kept at an address from now on.
pub(super) fn enter(addr: usize) -> Known {
    let (place, rest) = FENCES.enter(addr);
    Known::new(place, rest)
}

/// Returns a copy of the record of the fence that has this number, and owns objects.
pub(in crate::contract) fn of_number(number: u64) -> Option<(Id, Record)> {
    let place = OWNERS.with(number, |place| *place)?;
    let id = Id { number, place };
    Some((id, id.record()?))
}

/// Copies of the records of this machine, the oldest first.
pub(in crate::contract) fn own() -> impl Iterator<Item = (Id, Record)> {
    let machine = this_machine();
    let its = OWN.range((machine, 0), (machine + 1, 0), usize::MAX);
    let mut own: Vec<_> = its.map(|(_, id)| id).collect();
    if machine == 0 {
        // One that loses its place meanwhile is found twice.
        let there = FENCES.all().map(Id::of).filter(|id| id.number != 0);
        own.extend(there.chain(settling(machine)));
        own.sort_by_key(|id| id.number);
        own.dedup();
    }
    own.into_iter()
        .filter_map(|id| Some((id, id.record()?)))
        .filter(move |(_, record)| record.machine == machine)
}

/// True if a fence that has a record begins at this address.
pub(in crate::contract) fn is_fence(addr: usize) -> bool {
    FENCES.at(addr).is_some_and(|place| place.number() != 0)
}

/// Returns a copy of the record of a fence.
pub(in crate::contract) fn of(fence: *const Live) -> Option<Record> {
    known_of(fence)?.record()
}

/// Returns the place at which a fence was created.
pub(in crate::contract) fn created(fence: *const Live) -> Place {
    of(fence).map_or(Place::Unknown, |record| Place::At(record.created))
}

/// Returns the number of fences of this machine that have a record.
pub(in crate::contract) fn known() -> usize {
    own().count()
}

/// A fence for a test of what keeps it: nothing is known of it.
#[cfg(test)]
pub(in crate::contract) fn of_a_test(number: u64) -> Id {
    static PLACES: Places<Facts, Rest> = Places::new();
    // CAST: An address has as many bits.
    let (place, _) = PLACES.enter(number as usize);
    place.is_of_a_test(number);
    Id { number, place }
}
