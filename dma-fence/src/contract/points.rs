// SPDX-License-Identifier: GPL-2.0-only
//! Which pending fences may point to memory that is about to be freed.
//!
//! No driver says when it writes a pointer. So the fences of a machine to which something has
//! happened last are looked at as they are, and of all others it is known where they pointed when
//! they ceased to be among these. What freeing costs does not grow with the number of fences.

use super::record::Id;
use core::{
    mem::take,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use kernel::bindings::debugobjects::{Box, HashTable, SideTable, Vec, Words};

/// Fences of a machine that are looked at as they are.
const LATEST: usize = 16;

/// What a fence is named by here: the number of its machine, and the fence.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) machine: u64,
    pub(super) id: Id,
}

/// What is known of a fence that has not signalled, and whose driver has declared nothing.
#[derive(Default)]
pub(super) struct Points {
    /// Its place in [`LAST`], or 0; maybe it has lost that.
    place: u64,
    /// Where it pointed when it left that.
    to: Box<[usize]>,
}

/// Those of each machine to which something has happened last, by their places, which go up.
static LAST: HashTable<u64, Vec<(u64, Id)>> = HashTable::new();

/// Where the others point, with their numbers.
static POINTS: SideTable<(usize, u64), Id> = SideTable::new();

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Points {
    /// Something happens to the fence: its issuer may have written to its memory, and may do so
    /// again. Returns one to which nothing has happened for long: where that points is to be told by
    /// [`settles`](Self::settles).
    pub(super) fn touched(&mut self, key: Key) -> Option<Id> {
        if self.place != 0 && self.place + 1 == NEXT.load(Relaxed) {
            return None;
        }
        let before = self.place;
        LAST.with_entry(key.machine, |last| {
            remove(last, before);
            self.place = NEXT.fetch_add(1, Relaxed);
            last.push((self.place, key.id));
            (last.len() > LATEST).then(|| last.remove(0).1)
        })
    }

    /// From now on the fence is known by where it points.
    pub(super) fn settles(&mut self, id: Id, to: Words) {
        self.forget(id);
        to.iter().for_each(|point| {
            POINTS.insert((*point, id.number()), id);
        });
        self.to = to.into_boxed_slice();
    }

    /// The fence is not pending any more.
    pub(super) fn ends(mut self, key: Key) {
        LAST.with(key.machine, |last| remove(last, self.place));
        self.forget(key.id);
    }

    fn forget(&mut self, id: Id) {
        take(&mut self.to).iter().for_each(|point| {
            POINTS.remove((*point, id.number()));
        });
    }
}

/// Removes the fence in a place, if that is among these.
fn remove(last: &mut Vec<(u64, Id)>, place: u64) {
    if let Ok(place) = last.binary_search_by_key(&place, |&(place, _)| place) {
        last.remove(place);
    }
}

/// The fences of a machine to which something has happened last.
pub(super) fn latest(machine: u64) -> impl Iterator<Item = Id> {
    let last = LAST.with(machine, |last| last.clone()).unwrap_or_default();
    last.into_iter().map(|(_, fence)| fence)
}

/// The machine ends.
pub(super) fn ended(machine: u64) {
    LAST.remove_if(machine, |last| last.is_empty());
}

/// The others, of all machines, that point there.
pub(super) fn pointing(there: Range<usize>) -> impl Iterator<Item = Id> {
    let others = POINTS.range((there.start, 0), (there.end, 0), usize::MAX);
    others.map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::{super::record::of_a_test, *};

    #[test]
    fn what_freeing_looks_at_does_not_grow() {
        const MACHINE: u64 = u64::MAX - 1;
        const FIRST: usize = 1 << 40;
        let far = |id: Id| id.number() as usize * 64;
        let looked_at = |there| latest(MACHINE).count() + pointing(there).count();
        let mut fences: Vec<_> = (0..1000).map(|_| Points::default()).collect();
        let ids: Vec<_> = (0..1000).map(|n| of_a_test((FIRST + n) as u64)).collect();
        let key = |n: usize| Key {
            machine: MACHINE,
            id: ids[n],
        };
        let which = |id: Id| id.number() as usize - FIRST;
        for n in 0..fences.len() {
            if let Some(oldest) = fences[n].touched(key(n)) {
                let to = [far(oldest), far(oldest) + 64];
                fences[which(oldest)].settles(oldest, to.into_iter().collect());
            }
        }
        assert_eq!(looked_at(0..1), LATEST);
        // Two of those that are known point there, or one that is touched again.
        let there = far(key(1).id)..far(key(1).id) + 1;
        assert_eq!(looked_at(there.clone()), LATEST + 2);
        let settled = fences[0].touched(key(0));
        let oldest = settled.expect("there are more");
        fences[which(oldest)].settles(oldest, Words::new());
        assert!(latest(MACHINE).any(|id| id == key(0).id));
        // What it points to now is known when it settles.
        for n in 1..fences.len() {
            if let Some(oldest) = fences[n].touched(key(n)) {
                fences[which(oldest)].settles(oldest, Words::new());
            }
        }
        assert_eq!(looked_at(there.clone()), LATEST);
        for (n, points) in fences.into_iter().enumerate() {
            points.ends(key(n));
        }
        assert_eq!(looked_at(0..usize::MAX), 0);
    }
}
