// SPDX-License-Identifier: GPL-2.0-only
//! Which pending fences may point to memory that is about to be freed.
//!
//! No driver says when it writes a pointer. So the fences of a machine to which something has
//! happened last are looked at as they are, and of all others it is known where they pointed when
//! they ceased to be among these. What freeing costs does not grow with the number of fences.

use core::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use kernel::bindings::debugobjects::{HashTable, SideTable, Words};

/// Fences of a machine that are looked at as they are.
const LATEST: usize = 16;

/// A fence that has not signalled, and whose driver has declared nothing.
struct Pending {
    addr: usize,
    machine: u64,
    /// Its place in [`LAST`], or 0; maybe it has lost that.
    place: u64,
    /// Where it pointed when it left that.
    points: Words,
}

/// By their numbers.
static PENDING: HashTable<u64, Pending> = HashTable::new();

/// Those of each machine to which something has happened last, in that order: their numbers and
/// addresses.
static LAST: SideTable<(u64, u64), (u64, usize)> = SideTable::new();

/// Where the others point, with their numbers.
static POINTS: SideTable<(usize, u64), ()> = SideTable::new();

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A fence begins to be pending; for what is returned see [`touched`].
pub(super) fn begins(number: u64, machine: u64, addr: usize) -> Option<(u64, usize)> {
    let pending = Pending {
        addr,
        machine,
        place: 0,
        points: Words::new(),
    };
    PENDING.insert(number, pending);
    touched(number)
}

/// Something happens to a fence: its issuer may have written to its memory, and may do so again.
/// Returns one to which nothing has happened for long, and its address: where that points is to be
/// told by [`settles`].
pub(super) fn touched(number: u64) -> Option<(u64, usize)> {
    let newest =
        |pending: &mut Pending| pending.place != 0 && pending.place + 1 == NEXT.load(Relaxed);
    if PENDING.with(number, newest) == Some(true) {
        return None;
    }
    let place = NEXT.fetch_add(1, Relaxed);
    let replace = |pending: &mut Pending| {
        let before = core::mem::replace(&mut pending.place, place);
        (pending.machine, before, pending.addr)
    };
    let (machine, before, addr) = PENDING.with(number, replace)?;
    LAST.remove((machine, before));
    LAST.insert((machine, place), (number, addr));
    let mut last = LAST.range((machine, 0), (machine + 1, 0), LATEST + 1);
    let (place, oldest) = last.next()?;
    if last.count() < LATEST {
        return None;
    }
    LAST.remove(place);
    Some(oldest)
}

/// From now on a fence is known by where it points.
pub(super) fn settles(number: u64, points: Words) {
    let before = PENDING.with(number, |pending| core::mem::take(&mut pending.points));
    forget(number, before.unwrap_or_default());
    points.iter().for_each(|point| {
        POINTS.insert((*point, number), ());
    });
    let mut points = Some(points);
    PENDING.with(number, |pending| {
        pending.points = points.take().unwrap_or_default()
    });
    // If it has ended meanwhile, that did not know of these.
    forget(number, points.unwrap_or_default());
}

/// A fence is not pending any more.
pub(super) fn ends(number: u64) {
    if let Some(pending) = PENDING.remove(number) {
        LAST.remove((pending.machine, pending.place));
        forget(number, pending.points);
    }
}

fn forget(number: u64, points: Words) {
    points.into_iter().for_each(|point| {
        POINTS.remove((point, number));
    });
}

/// The fences of a machine that may point there, and their addresses.
pub(super) fn candidates(machine: u64, there: Range<usize>) -> impl Iterator<Item = (u64, usize)> {
    let last = LAST.range((machine, 0), (machine + 1, 0), LATEST);
    let others = POINTS.range((there.start, 0), (there.end, 0), usize::MAX);
    let others = others.map(|((_, number), ())| number);
    let others = others.filter_map(move |number| {
        let of = PENDING.with(number, |pending| (pending.machine, pending.addr));
        of.and_then(|(own, addr)| (own == machine).then_some((number, addr)))
    });
    last.map(|(_, fence)| fence).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_freeing_looks_at_does_not_grow() {
        const MACHINE: u64 = u64::MAX - 1;
        const MINE: Range<u64> = 1 << 40..(1 << 40) + 1000;
        let far = |number: u64| number as usize * 64;
        let looked_at = |there| candidates(MACHINE, there).count();
        for number in MINE {
            if let Some((oldest, _)) = begins(number, MACHINE, 0) {
                settles(oldest, [far(oldest), far(oldest + 1)].into_iter().collect());
            }
        }
        assert_eq!(looked_at(0..1), LATEST);
        // Two of those that are known point there, or one that is touched again.
        let there = far(MINE.start + 1)..far(MINE.start + 1) + 1;
        assert_eq!(looked_at(there.clone()), LATEST + 2);
        let settled = touched(MINE.start).map(|(oldest, _)| settles(oldest, Words::new()));
        assert!(settled.is_some());
        assert!(candidates(MACHINE, 0..1).any(|(number, _)| number == MINE.start));
        // What it points to now is known when it settles.
        MINE.skip(1).for_each(|number| {
            if let Some((oldest, _)) = touched(number) {
                settles(oldest, Words::new());
            }
        });
        assert_eq!(looked_at(there.clone()), LATEST);
        MINE.for_each(ends);
        assert_eq!(looked_at(0..usize::MAX), 0);
    }
}
