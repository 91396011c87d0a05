// SPDX-License-Identifier: GPL-2.0-only
//! What a thread has seen of the fences to which it has done something last.
//!
//! A driver calls more than one function for a fence, and each call has more than one check. So what
//! decides of a fence is kept by the thread that has looked for it, and found there without a lock as
//! long as nothing has changed. Reports are made of the record itself.

use super::{
    super::bindings::Live,
    record::{self, At, Known, Subject},
};
use core::{cell::Cell, ptr::null};
use kernel::bindings::debugobjects::Changes;

/// Fences that a thread remembers.
const FENCES: usize = 8;

/// What decides of a fence.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) number: u64,
    pub(super) subject: Subject,
    pub(super) created: At,
    /// The address of its lock.
    pub(super) lock: usize,
    /// A task other than its issuer may know of it.
    pub(super) published: bool,
    /// It is among those of `points`.
    pub(super) points: bool,
    /// The place at which it has signalled.
    pub(super) signalled: Option<At>,
    /// A stamp from after its bit was set.
    pub(super) bit_set: u64,
    /// Its `signaled` op has returned true.
    pub(super) said_true: bool,
    /// The module whose code created it was unloaded.
    pub(super) module_gone: bool,
}

impl Seen {
    fn new(known: &Known) -> Self {
        let record = &known.record;
        // Only with the other stamp, which counts as a change.
        let signalled = record.signalled().filter(|_| record.bit_set != 0);
        Self {
            number: known.number(),
            subject: record.subject(),
            created: record.created,
            lock: record.lock,
            published: record.published.is_some(),
            points: known.points(),
            signalled: signalled.map(|(_, at)| at),
            bit_set: record.bit_set,
            said_true: record.said_true.is_some(),
            module_gone: record.module_gone,
        }
    }
}

/// Room for what was seen of one fence.
struct Slot {
    fence: Cell<*const Live>,
    /// What counts the changes of the fence, and how many there were before.
    changes: Cell<Option<Changes<'static>>>,
    before: Cell<u64>,
    /// `None` if it is not tracked.
    seen: Cell<Option<Seen>>,
}

kernel::bindings::per_thread! {
    static SEEN: [Slot; FENCES] = [const { Slot { fence: Cell::new(null()), changes: Cell::new(None), before: Cell::new(0), seen: Cell::new(None) } }; FENCES];
}

/// What is known of a fence; `None` if it is not tracked.
#[inline(always)]
pub(super) fn of(fence: *const Live) -> Option<Seen> {
    SEEN.with(|slots| {
        let slot = &slots[fence.addr() / size_of::<Live>() % FENCES];
        let same = |changes: Changes<'_>| changes.count() == slot.before.get();
        if slot.fence.get() != fence || !slot.changes.get().is_some_and(same) {
            look(slot, fence);
        }
        slot.seen.get()
    })
}

#[inline(never)]
fn look(slot: &Slot, fence: *const Live) {
    let changes = record::changes(fence);
    slot.before.set(changes.count());
    slot.changes.set(Some(changes));
    slot.seen.set(record::look(fence, Seen::new));
    slot.fence.set(fence);
}
