// SPDX-License-Identifier: GPL-2.0-only

//! Read-copy-update.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h).

use crate::{bindings, types::NotThreadSafe};

/// A read-side critical section.
///
/// Having one tells you that what was reachable when it began stays in memory
/// until it ends, and that you must not sleep. Sections nest.
#[doc(alias = "rcu_read_lock")]
pub struct Guard(NotThreadSafe);

impl Guard {
    /// Begins a section.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new() -> Self {
        // SAFETY: Unlocked by drop(), in the same thread.
        unsafe { bindings::rcu_read_lock() };
        Guard(NotThreadSafe)
    }

    /// Ends the section.
    #[doc(alias = "rcu_read_unlock")]
    #[inline]
    pub fn unlock(self) {}
}

impl Default for Guard {
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Locked by new(), in this thread.
        unsafe { bindings::rcu_read_unlock() };
    }
}

/// Begins a read-side critical section.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub fn read_lock() -> Guard {
    Guard::new()
}

/// Waits until all callbacks queued so far have run; may sleep.
#[inline]
#[track_caller]
pub fn rcu_barrier() {
    // SAFETY: The function has no preconditions; C checks the context.
    unsafe { bindings::rcu_barrier() };
}

/// Waits until all sections begun so far have ended; may sleep.
#[inline]
#[track_caller]
pub fn synchronize_rcu() {
    // SAFETY: The function has no preconditions; C checks the context.
    unsafe { bindings::synchronize_rcu() };
}
