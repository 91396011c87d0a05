// SPDX-License-Identifier: GPL-2.0-only
//! What a task takes again as it has taken it before.
//!
//! Nearly always a lock is taken where one of its class was taken before, as it was then, inside
//! the same locks and in the same context. All that is looked at then was looked at, and nothing of it
//! was new: so the lock is pushed, and no more. Each task remembers some of what it has taken, so
//! that it needs nothing for this that others write.
//!
//! What is remembered holds for the classes that there are: if one is forgotten, all of this is, and
//! also if the chains are that were looked at, which are then looked at once more.

use crate::{
    engine::{Acquire, Now},
    lock::Lock,
    task::{Hold, Within},
};
use core::cell::Cell;

/// Acquisitions that a task remembers.
const REMEMBERED: usize = 64;

/// What the caller knows of an acquisition. Two for which it says the same are the same but for the
/// lock's address, as long as no class is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Same {
    /// How, and in which context and world.
    how: u64,
    place: usize,
    /// The class's key, or a number that is too small for its address.
    class: usize,
}

impl Same {
    /// That of an acquisition by a caller with numbers of its own for classes, not 0, and for all else:
    /// how a lock is taken, in which context, and in which world.
    #[inline(always)]
    pub const fn new(how: u64, place: usize, class: u16) -> Self {
        Self {
            how,
            place,
            class: class as usize,
        }
    }

    /// That of an acquisition of which no more is known than what the engine is told.
    pub(crate) fn of(now: &Now<'_>, world: u32, lock: &Lock, how: &Acquire<'_>) -> Self {
        let context = now.context;
        let flags = [
            how.trylock,
            how.check,
            context.irqs_off,
            context.hardirq,
            context.threaded,
            context.softirq,
            context.softirqs_enabled,
        ];
        let flags = flags
            .iter()
            .fold(0, |flags, &flag| flags << 1 | u8::from(flag));
        let bytes = [flags, how.read, how.subclass, lock.subclass];
        let how_taken = u64::from(u32::from_le_bytes(bytes));
        Self {
            class: lock.key,
            ..Self::new(how_taken << 32 | u64::from(world), how.ip, 0)
        }
    }
}

/// An acquisition that is remembered.
pub(crate) struct Taken {
    same: Cell<Same>,
    /// How often something had been forgotten by then.
    forgotten: Cell<usize>,
    /// What the lock was taken inside, which is none if the chain before it is 0.
    outer: Cell<Within>,
    /// The chain's key with the lock.
    pub(crate) chain: Cell<u64>,
    /// As which it was pushed.
    pub(crate) hold: Cell<Hold>,
}

/// What a task remembers. Zero bytes are one that remembers nothing.
pub(crate) struct Memory([Taken; REMEMBERED]);

impl Memory {
    pub(crate) const fn new() -> Self {
        Self(
            [const {
                Taken {
                    same: Cell::new(Same::new(0, 0, 0)),
                    forgotten: Cell::new(0),
                    outer: Cell::new(Within::NONE),
                    chain: Cell::new(0),
                    hold: Cell::new(Hold::NONE),
                }
            }; REMEMBERED],
        )
    }

    #[inline(always)]
    fn slot(&self, same: &Same, before: u64) -> &Taken {
        let hash = same.place as u64 ^ (same.class as u64).rotate_left(32) ^ before;
        &self.0[(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % REMEMBERED]
    }

    /// As what a lock was taken that is taken now, inside `outer` and the chain `before`.
    #[inline(always)]
    pub(crate) fn find(
        &self,
        same: &Same,
        forgotten: usize,
        before: u64,
        outer: Within,
    ) -> Option<&Taken> {
        let taken = self.slot(same, before);
        let known = taken.same.get() == *same
            && taken.forgotten.get() == forgotten
            && taken.hold.get().before == before
            && taken.outer.get() == outer;
        known.then_some(taken)
    }

    /// Remembers it: there was nothing new in it.
    pub(crate) fn add(
        &self,
        same: &Same,
        forgotten: usize,
        outer: Within,
        hold: &Hold,
        chain: u64,
    ) {
        let taken = self.slot(same, hold.before);
        taken.same.set(*same);
        taken.forgotten.set(forgotten);
        taken.outer.set(outer);
        taken.chain.set(chain);
        taken.hold.set(*hold);
    }
}
