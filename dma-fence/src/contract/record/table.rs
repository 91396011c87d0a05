// SPDX-License-Identifier: GPL-2.0-only
//! Where records are, and what finds them.

use super::{
    super::{super::bindings::Live, known::Refs},
    settling::forgotten,
    tracked::Known,
    Record, Subject,
};
use core::{mem::replace, ops::Range};
use kernel::bindings::{
    debugobjects::{in_key_order, Box, Changes, HashTable, Vec},
    rcu_order,
    rule::{this_machine, Place},
};

/// Those whose memory is theirs, by their addresses.
pub(super) static LIVE: HashTable<usize, Box<Known>> = HashTable::new();

/// The addresses of these, by their numbers.
pub(super) static NUMBERS: HashTable<u64, usize> = HashTable::new();

/// All others, by their numbers.
pub(super) static GONE: HashTable<u64, Box<Known>> = HashTable::new();

impl Record {
    /// Makes it known; returns its number.
    pub(in crate::contract) fn add(self) -> u64 {
        let number = rcu_order();
        let known = Known::new(number, self);
        NUMBERS.insert(number, self.addr);
        // Its memory went without being freed, as that of a stack does.
        let before = LIVE.replace(self.addr, known, |slot, known| replace(&mut **slot, known));
        if let Some(before) = before {
            NUMBERS.remove(before.number);
            forgotten(before);
        }
        number
    }
}

/// Calls `f` with what is known of a fence.
pub(in crate::contract) fn known_of<R>(
    fence: *const Live,
    f: impl FnOnce(&mut Known) -> R,
) -> Option<R> {
    LIVE.with(fence.addr(), |known| f(known))
}

/// As [`known_of`], for what [`look`] is not asked for again if there are no [`changes`].
pub(in crate::contract) fn amend<R>(
    fence: *const Live,
    f: impl FnOnce(&mut Known) -> R,
) -> Option<R> {
    LIVE.amend(fence.addr(), |known| f(known))
}

/// As long as there are none, [`look`] finds the same of the fence.
#[inline]
pub(in crate::contract) fn changes(fence: *const Live) -> Changes<'static> {
    LIVE.changes(fence.addr())
}

/// As [`known_of`], for what changes nothing.
pub(in crate::contract) fn look<R>(fence: *const Live, f: impl FnOnce(&Known) -> R) -> Option<R> {
    LIVE.look(fence.addr(), |known| f(known))
}

/// Returns the number of a fence that is tracked.
pub(in crate::contract) fn number(fence: *const Live) -> Option<u64> {
    number_at(fence.addr())
}

/// Calls `f` with the record of a fence.
pub(in crate::contract) fn with<R>(
    fence: *const Live,
    f: impl FnOnce(&mut Record) -> R,
) -> Option<R> {
    known_of(fence, |known| f(&mut known.record))
}

/// Returns the number of a fence, and a copy of its record.
pub(in crate::contract) fn numbered(fence: *const Live) -> Option<(u64, Record)> {
    look(fence, |known| (known.number, known.record))
}

/// Calls `f` with what is known of the fence that has this number.
pub(in crate::contract) fn known_as<R>(number: u64, f: impl FnOnce(&mut Known) -> R) -> Option<R> {
    let mut f = Some(f);
    let live = NUMBERS.look(number, |addr| *addr).and_then(|addr| {
        LIVE.with(addr, |known| {
            let f = f.take_if(|_| known.number == number)?;
            Some(f(known))
        })
    });
    // It goes to these before it is gone from those.
    live.flatten()
        .or_else(|| GONE.with(number, |known| f.take().map(|f| f(known)))?)
}

/// Returns a copy of the record of the fence that has this number.
pub(in crate::contract) fn of_number(number: u64) -> Option<Record> {
    look_as(number, |record| *record)
}

/// As [`known_as`], for what changes nothing of a record.
pub(super) fn look_as<R>(number: u64, f: impl Fn(&Record) -> R) -> Option<R> {
    let its = |known: &Known| (known.number == number).then(|| f(&known.record));
    let addr = NUMBERS.look(number, |addr| *addr);
    let live = addr.and_then(|addr| LIVE.look(addr, |known| its(known))?);
    // As there.
    live.or_else(|| GONE.look(number, |known| its(known))?)
}

/// Of all records for which `f` returns something, what it returns, the oldest first.
pub(in crate::contract) fn filter_map<R>(
    mut f: impl FnMut(u64, &mut Record) -> Option<R>,
) -> impl Iterator<Item = R> {
    let mut found = Vec::new();
    let mut look = |known: &mut Box<Known>| {
        let result = f(known.number, &mut known.record);
        found.extend(result.map(|result| (known.number, result)));
        None::<()>
    };
    LIVE.filter_map(|_, known| look(known)).for_each(drop);
    GONE.filter_map(|_, known| look(known)).for_each(drop);
    in_key_order(found)
}

/// Returns the number of the fence that begins at an address, if it is tracked.
pub(in crate::contract) fn number_at(addr: usize) -> Option<u64> {
    LIVE.look(addr, |known| known.number)
}

/// The fences that begin in this memory: how reports name them, and their references.
pub(in crate::contract) fn in_memory(
    memory: Range<usize>,
) -> impl Iterator<Item = (Subject, Refs)> {
    LIVE.in_memory(memory, |_, known| {
        let refs = known.refs.as_deref().cloned().unwrap_or_default();
        Some((known.record.subject(), refs))
    })
}

/// Returns a copy of the record of a fence.
pub(in crate::contract) fn of(fence: *const Live) -> Option<Record> {
    look(fence, |known| known.record)
}

/// Returns the place at which a fence was created.
pub(in crate::contract) fn created(fence: *const Live) -> Place {
    of(fence).map_or(Place::Unknown, |record| Place::At(record.created))
}

/// Returns the number of fences of this machine that have a record.
pub(in crate::contract) fn known() -> usize {
    let machine = this_machine();
    filter_map(|_, record| (record.machine == machine).then_some(())).count()
}
