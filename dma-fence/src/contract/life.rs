// SPDX-License-Identifier: GPL-2.0-only
//! From the beginning of a fence to its end.

use super::{
    super::bindings::{dma_fence_ops, Live},
    points, progress, reach,
    record::{self, Record, SETTLING},
    refs,
};
use core::panic::Location;
use kernel::bindings::{ktime_get, rcu_order, rule::checking, spinlock_t};

/// A fence was initialised, with a lock of its own if `lock` is null; false if it is not tracked.
#[track_caller]
pub(super) fn begins(fence: &Live, ops: &dma_fence_ops, lock: *mut spinlock_t) -> bool {
    if !checking() {
        // What was at this address before was another fence.
        if let Some(number) = record::number(fence) {
            record::forget(number);
        }
        refs::begins(fence, false);
        return false;
    }
    record::know_own_files();
    record::sweep();
    // SAFETY: Reading the clock has no preconditions.
    let now = unsafe { ktime_get() };
    let number = Record::new(fence, ops, now, Location::caller()).add();
    reach::begins(number, fence, ops, lock);
    refs::begins(fence, true);
    true
}

/// A fence signals at this moment; its ops are still attached.
pub(super) fn signalled(fence: *const Live) {
    let known = record::with(fence, |record| {
        record.signalled = record.signals;
        record.bit_set = rcu_order();
        *record
    });
    if let Some(record) = known {
        progress::ends(&record);
        reach::scan(fence);
    }
}

/// The last reference is gone.
pub(super) fn released(fence: *const Live) {
    let Some(number) = record::number(fence) else {
        return;
    };
    points::ends(number);
    let settles = record::with_number(number, |record| {
        record.released = true;
        record.signalled.map(|_| record.machine)
    });
    if let Some(machine) = settles.flatten() {
        SETTLING.insert((machine, number), ());
    }
}
