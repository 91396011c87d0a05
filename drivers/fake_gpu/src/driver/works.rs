// SPDX-License-Identifier: GPL-2.0-only
//! The count of work items, for which a removal waits.
#![forbid(unsafe_code)]

use super::{
    ring::Ring,
    state::{
        Power,
        State, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full, //
        },
        Arc,
        Completion, //
    },
};

// UNTIL(owned-queue): flushing a queue of the driver's own waits for them.
/// The work items of a ring that are queued or run.
///
/// It is no part of the ring, since an item that has ended has no reference to that.
#[pin_data]
pub(super) struct Works {
    /// How many there are; and one more until the removal, so that it falls to 0 once.
    count: Atomic<u32>,
    #[pin]
    none: Completion,
}

impl Works {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            count: Atomic::new(1),
            none <- Completion::new(),
        })
    }

    /// Counts what `enqueue` queues, unless the ring was removed. True if it was queued.
    pub(super) fn queue<E>(&self, state: &State, enqueue: impl FnOnce() -> Result<(), E>) -> bool {
        if state.power == Power::Removed {
            return false;
        }
        // Before it is queued, since it may end at once.
        self.count.fetch_add(1, Full);
        let queued = enqueue().is_ok();
        if !queued {
            self.end();
        }
        queued
    }

    /// An item has ended, or the removal begun.
    pub(super) fn end(&self) {
        // Full: what all of them did comes before what the removal does next.
        if self.count.fetch_sub(1, Full) == 1 {
            self.none.complete_all();
        }
    }

    /// Waits for the last item; the removal has begun.
    pub(super) fn wait(&self) {
        self.none.wait_for_completion();
    }
}

impl Ring {
    /// The last thing that a work item does.
    pub(super) fn end_work(this: Arc<Self>) {
        let works = this.works.clone();
        // When the waiter wakes up, its reference to the ring is the last.
        drop(this);
        works.end();
    }
}
