// SPDX-License-Identifier: GPL-2.0-only
//! Chains of held locks that were looked at already.

use crate::task::Held;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

const SIZE: usize = 1 << 15;

/// A cache: what it loses is looked at again.
///
/// No ordering is needed: that a chain is in it says all.
pub(crate) struct Chains {
    keys: [AtomicU64; SIZE],
    count: AtomicUsize,
}

/// The key of the chain `before` with one more lock. Its class, how it is held and whether it is
/// checked go into it, since they decide on the edges.
#[inline]
pub(crate) fn with(before: u64, held: &Held) -> u64 {
    let read = if fault!("chain-read") { 0 } else { held.read };
    let id = u64::from(held.class.serial) << 3 | u64::from(read) << 1 | u64::from(held.check);
    // The mixing of SplitMix64.
    let mut key = before.rotate_left(5) ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (key ^ key >> 31).max(1)
}

impl Chains {
    pub(crate) const fn new() -> Self {
        Self {
            keys: [const { AtomicU64::new(0) }; SIZE],
            count: AtomicUsize::new(0),
        }
    }

    /// The slot of a key, or else the one to put it in.
    #[inline]
    fn slot(&self, key: u64) -> &AtomicU64 {
        let mut at = key as usize % SIZE;
        loop {
            let found = self.keys[at].load(Relaxed);
            if found == key || found == 0 {
                return &self.keys[at];
            }
            at = (at + 1) % SIZE;
        }
    }

    /// True if it was looked at. From any context, without a lock.
    #[inline]
    pub(crate) fn contains(&self, key: u64) -> bool {
        self.slot(key).load(Relaxed) == key
    }

    /// True if there should be no more.
    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Relaxed) > SIZE / 4 * 3
    }

    /// Adds one; false if it is there. The caller holds the lock, and has looked whether it is full.
    pub(crate) fn insert(&self, key: u64) -> bool {
        let new = self.slot(key).swap(key, Relaxed) == 0;
        if new {
            self.count.fetch_add(1, Relaxed);
        }
        new
    }

    /// Forgets all. The caller holds the lock.
    pub(crate) fn clear(&self) {
        if self.count.swap(0, Relaxed) != 0 {
            self.keys.iter().for_each(|key| key.store(0, Relaxed));
        }
    }
}
