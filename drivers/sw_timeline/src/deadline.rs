// SPDX-License-Identifier: GPL-2.0-only
//! The soonest of all deadlines that were set on a fence.
#![forbid(unsafe_code)]

use dma_fence::Ktime;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The soonest deadline, as nanoseconds.
pub(crate) struct Deadline(Atomic<i64>);

/// No clock gets there.
const NONE: i64 = i64::MAX;

impl Deadline {
    /// No deadline was set yet.
    pub(crate) fn none() -> Self {
        Self(Atomic::new(NONE))
    }

    /// Notes that a waiter hopes for the fence by `deadline`. From any context, also concurrently.
    pub(crate) fn note(&self, deadline: Ktime) {
        let deadline = deadline.as_nanos();
        let mut soonest = self.0.load(Relaxed);
        while deadline < soonest {
            // UNTIL(atomic-min): the kernel's atomics have a minimum. Relaxed: a hint, which orders
            // nothing else.
            match self.0.cmpxchg(soonest, deadline, Relaxed) {
                Ok(_) => break,
                Err(other) => soonest = other,
            }
        }
    }

    /// Forgets what was noted.
    pub(crate) fn forget(&self) {
        self.0.store(NONE, Relaxed);
    }

    /// The soonest deadline, if there is one.
    pub(crate) fn soonest(&self) -> Option<Ktime> {
        let soonest = self.0.load(Relaxed);
        (soonest != NONE).then(|| Ktime::from_nanos(soonest))
    }
}
