// SPDX-License-Identifier: GPL-2.0-only
//! From the beginning of a fence to its end.

use super::{
    super::bindings::{dma_fence_ops, Live},
    freed, progress, reach,
    record::{self, Record},
    refs,
};
use core::panic::Location;
use kernel::bindings::{ktime_get_coarse, rcu_order, rule::checking, spinlock_t};

/// A fence was initialised, with a lock of its own if `lock` is null. Returns the time, or nothing if
/// it is not tracked.
#[track_caller]
pub(super) fn begins(fence: &Live, ops: &dma_fence_ops, lock: *mut spinlock_t) -> Option<i64> {
    if !checking() {
        // What was at this address before was another fence.
        if let Some(number) = record::number(fence) {
            record::forget(number);
        }
        refs::begins(fence, false);
        return None;
    }
    record::know_own_files();
    record::sweep();
    // SAFETY: Reading the clock has no preconditions.
    let now = unsafe { ktime_get_coarse() };
    let number = Record::new(fence, ops, now, Location::caller()).add();
    let allocated = refs::begins(fence, true);
    reach::begins(number, ops, lock, allocated);
    Some(now)
}

/// A fence signals at this moment; its ops are still attached.
pub(super) fn signalled(fence: *const Live) {
    let known = record::known_of(fence, |known| {
        known.ends_pending();
        let record = &mut known.record;
        record.bit_set = rcu_order();
        let record = *record;
        let undeclared = (!record.declared).then(|| (known.number(), known.dangling()));
        (record, undeclared)
    });
    let Some((record, undeclared)) = known else {
        return;
    };
    if record.in_order {
        progress::ends(&record);
    }
    if let Some((number, dangling)) = undeclared {
        if let Some(dangling) = dangling {
            freed::dangling(&record, &dangling);
        }
        reach::scan(fence, number);
    }
}

/// The last reference is gone.
pub(super) fn released(fence: *const Live) {
    let settles = record::known_of(fence, |known| {
        known.ends_pending();
        known.record.released = true;
        let machine = known.record.machine;
        let signalled = known.record.signalled();
        signalled.map(|(stamp, _)| (machine, known.number(), stamp))
    });
    if let Some((machine, number, stamp)) = settles.flatten() {
        record::settles((machine, number), stamp);
    }
}
