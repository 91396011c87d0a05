// SPDX-License-Identifier: GPL-2.0-only
//! From the beginning of a fence to its end.

use super::{
    super::bindings::{dma_fence_ops, Live},
    freed, progress, reach,
    record::{self, IN_ORDER, POINTS},
    refs,
};
use core::panic::Location;
use kernel::bindings::{rule::checking, spinlock_t};

/// A fence was initialised, with a lock of its own if `lock` is null. False if it is not tracked.
#[track_caller]
pub(super) fn begins(fence: &Live, ops: &dma_fence_ops, lock: *mut spinlock_t) -> bool {
    let allocated = refs::begins(fence);
    if !checking() {
        record::untracked(core::ptr::from_ref(fence).addr());
        return false;
    }
    record::know_own_files();
    let (id, oldest) = record::begins(fence, ops, Location::caller(), allocated);
    reach::begins(id, ops, lock);
    reach::settle(oldest);
    true
}

/// A fence signals at this moment; its ops are still attached.
pub(super) fn signalled(fence: *const Live) {
    let Some(mut known) = record::known_of(fence) else {
        return;
    };
    // In allocated memory, whose driver has declared nothing.
    let points = known.has(POINTS);
    known.has_signalled();
    let (id, in_order) = (known.id(), known.has(IN_ORDER));
    let dangling = if points { known.dangling() } else { None };
    drop(known);
    if in_order {
        progress::ends(id);
    }
    if points {
        if let Some(dangling) = dangling {
            freed::dangling(id, &dangling);
        }
        reach::scan(fence, id);
    }
}
