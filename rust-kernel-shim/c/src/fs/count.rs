// SPDX-License-Identifier: GPL-2.0-only
//! Counts of references to files and names.
//!
//! These change under locks of this module, which are no locks of the machine's: a task that was
//! stopped with one could never be waited for. So no change of a count is a point at which a schedule
//! may stop it.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use machine::atomic::quiet::AtomicU32;

/// A count, at first of one reference.
pub(super) struct Count(AtomicU32);

impl Count {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(1))
    }

    /// Takes another reference; the caller has one already, so nothing needs to be ordered.
    pub(super) fn get(&self) {
        let old = self.0.fetch_add(1, Relaxed);
        crate::WARN_ON!(old == 0 || old == u32::MAX);
    }

    /// Takes a reference; false if the last one is gone.
    pub(super) fn get_unless_zero(&self) -> bool {
        // `Acquire`: pairs with the release in `put`, of whoever has changed the object before.
        self.0
            .fetch_update(Acquire, Relaxed, |n| (n != 0).then(|| n + 1))
            .is_ok()
    }

    /// Gives a reference back; true for the last one.
    pub(super) fn put(&self) -> bool {
        // Pairs with itself: the last one sees what all others have done.
        self.0.fetch_sub(1, AcqRel) == 1
    }

    pub(super) fn read(&self) -> u32 {
        self.0.load(Relaxed)
    }
}
