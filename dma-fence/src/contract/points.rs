// SPDX-License-Identifier: GPL-2.0-only
//! Which pending fences may point to memory that is about to be freed.
//!
//! No driver says when it writes a pointer. So the fences of a machine to which something has
//! happened last are looked at as they are, and of all others it is known where they pointed when
//! they ceased to be among these. What freeing costs does not grow with the number of fences.

use core::{
    mem::take,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use kernel::bindings::debugobjects::{Box, SideTable, Words};

/// Fences of a machine that are looked at as they are.
const LATEST: usize = 16;

/// What a fence is named by here: the number of its machine, its own, and its address.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) machine: u64,
    pub(super) number: u64,
    pub(super) addr: usize,
}

/// What is known of a fence that has not signalled, and whose driver has declared nothing.
#[derive(Default)]
pub(super) struct Points {
    /// Its place in [`LAST`], or 0; maybe it has lost that.
    place: u64,
    /// Where it pointed when it left that.
    to: Box<[usize]>,
}

/// Those of each machine to which something has happened last, in that order: their numbers and
/// addresses.
static LAST: SideTable<(u64, u64), (u64, usize)> = SideTable::new();

/// Where the others point, with their numbers.
static POINTS: SideTable<(usize, u64), ()> = SideTable::new();

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Points {
    /// Something happens to the fence: its issuer may have written to its memory, and may do so
    /// again. Returns the number and the address of one to which nothing has happened for long:
    /// where that points is to be told by [`settles`](Self::settles).
    pub(super) fn touched(&mut self, key: Key) -> Option<(u64, usize)> {
        if self.place != 0 && self.place + 1 == NEXT.load(Relaxed) {
            return None;
        }
        let machine = key.machine;
        let place = NEXT.fetch_add(1, Relaxed);
        LAST.remove((machine, self.place));
        self.place = place;
        LAST.insert((machine, place), (key.number, key.addr));
        loop {
            let mut last = LAST.range((machine, 0), (machine + 1, 0), LATEST + 1);
            let (place, oldest) = last.next()?;
            if last.count() < LATEST {
                return None;
            }
            // Else another task has taken that one, for the one that it has added.
            if LAST.remove(place).is_some() {
                return Some(oldest);
            }
        }
    }

    /// From now on the fence is known by where it points.
    pub(super) fn settles(&mut self, number: u64, to: Words) {
        self.forget(number);
        to.iter().for_each(|point| {
            POINTS.insert((*point, number), ());
        });
        self.to = to.into_boxed_slice();
    }

    /// The fence is not pending any more.
    pub(super) fn ends(mut self, key: Key) {
        LAST.remove((key.machine, self.place));
        self.forget(key.number);
    }

    fn forget(&mut self, number: u64) {
        take(&mut self.to).iter().for_each(|point| {
            POINTS.remove((*point, number));
        });
    }
}

/// The fences of a machine to which something has happened last: their numbers and addresses.
pub(super) fn latest(machine: u64) -> impl Iterator<Item = (u64, usize)> {
    // Of tasks that run at the same time each may have one more there for a moment.
    let last = LAST.range((machine, 0), (machine + 1, 0), usize::MAX);
    last.map(|(_, fence)| fence)
}

/// The numbers of the others, of all machines, that point there.
pub(super) fn pointing(there: Range<usize>) -> impl Iterator<Item = u64> {
    let others = POINTS.range((there.start, 0), (there.end, 0), usize::MAX);
    others.map(|((_, number), ())| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::bindings::debugobjects::Vec;

    #[test]
    fn what_freeing_looks_at_does_not_grow() {
        const MACHINE: u64 = u64::MAX - 1;
        const FIRST: usize = 1 << 40;
        let far = |number: u64| number as usize * 64;
        let looked_at = |there| latest(MACHINE).count() + pointing(there).count();
        let mut fences: Vec<_> = (0..1000).map(|_| Points::default()).collect();
        let key = |n: usize| Key {
            machine: MACHINE,
            number: (FIRST + n) as u64,
            addr: n,
        };
        for n in 0..fences.len() {
            if let Some((oldest, addr)) = fences[n].touched(key(n)) {
                let to = [far(oldest), far(oldest + 1)];
                fences[addr].settles(oldest, to.into_iter().collect());
            }
        }
        assert_eq!(looked_at(0..1), LATEST);
        // Two of those that are known point there, or one that is touched again.
        let there = far(key(1).number)..far(key(1).number) + 1;
        assert_eq!(looked_at(there.clone()), LATEST + 2);
        let settled = fences[0].touched(key(0));
        let (oldest, addr) = settled.expect("there are more");
        fences[addr].settles(oldest, Words::new());
        assert!(latest(MACHINE).any(|(number, _)| number == key(0).number));
        // What it points to now is known when it settles.
        for n in 1..fences.len() {
            if let Some((oldest, addr)) = fences[n].touched(key(n)) {
                fences[addr].settles(oldest, Words::new());
            }
        }
        assert_eq!(looked_at(there.clone()), LATEST);
        for (n, points) in fences.into_iter().enumerate() {
            points.ends(key(n));
        }
        assert_eq!(looked_at(0..usize::MAX), 0);
    }
}
