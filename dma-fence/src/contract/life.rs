// SPDX-License-Identifier: GPL-2.0-only
//! From the beginning of a fence to its end.

use super::{
    super::bindings::{dma_fence, dma_fence_ops, dma_fence_spinlock},
    pending, reach,
    record::{self, Record, LIVE, PENDING, RECORDS, SETTLING},
};
use core::panic::Location;
use kernel::bindings::{
    debugobjects::{debug_object_deactivate, debug_watch_register},
    ktime_get, rcu_stamp, rcu_stamp_passed,
    report::{checking, this_machine},
    spinlock_t,
};

/// Records that are looked at for whether they are needed any more, whenever there is a new one.
const SWEPT: usize = 4;

/// A fence was initialised, with a lock of its own if `lock` is null.
#[track_caller]
pub(crate) fn initialised(fence: *mut dma_fence, ops: *const dma_fence_ops, lock: *mut spinlock_t) {
    if !checking() {
        // What stood here before was another fence.
        if let Some(number) = LIVE.with(fence.addr(), |number| *number) {
            forget(number);
        }
        return;
    }
    record::know_own_files();
    debug_watch_register(&pending::WATCH);
    pending::look_at_the_clock();
    sweep();
    // SAFETY: The fence was just initialised, with ops that are valid.
    let (now, own, ops_table) = unsafe { (ktime_get(), dma_fence_spinlock(fence), &*ops) };
    let number = Record::new(fence, ops_table, own, now, Location::caller()).add();
    reach::begins(number, fence, ops, lock);
}

/// Somebody may get hold of a fence who is not its issuer.
#[track_caller]
pub(crate) fn published(fence: *mut dma_fence) {
    let at = Location::caller();
    record::with(fence, |record| {
        record.published.get_or_insert(at);
    });
}

/// A fence is about to signal, if it has not. From here on a grace period counts: who sees the bit
/// may ask for one at once.
#[track_caller]
pub(crate) fn signals(fence: *mut dma_fence) {
    let at = Location::caller();
    record::with(fence, |record| record.signals = Some((rcu_stamp(), at)));
}

/// A fence signals at this moment; its ops are still attached.
pub(crate) fn signalled(fence: *mut dma_fence) {
    let known = record::with(fence, |record| {
        record.signalled = record.signals;
        record.bit_set = rcu_stamp();
    });
    if known.is_some() {
        reach::scan(fence);
    }
}

/// A reference is about to be dropped, maybe the last.
#[track_caller]
pub(crate) fn puts(fence: *mut dma_fence) {
    pending::look_at_the_clock();
    let at = Location::caller();
    record::with(fence, |record| record.put = Some(at));
}

/// The last reference is gone, and nobody will take the lock any more.
pub(crate) fn released(fence: *mut dma_fence) {
    let Some(number) = LIVE.with(fence.addr(), |number| *number) else {
        return;
    };
    reach::lock_not_needed(number);
    PENDING.remove(number);
    let settles = RECORDS.with(number, |record| {
        record.released = true;
        record.signalled.map(|_| record.machine)
    });
    if let Some(machine) = settles.flatten() {
        SETTLING.insert((machine, number), ());
    }
}

/// Fences of this machine of which something is known.
pub(crate) fn known() -> usize {
    let machine = this_machine();
    RECORDS
        .filter_map(|_, record| (record.machine == machine).then_some(()))
        .count()
}

/// Forgets some of those of which a grace period has passed since they signalled.
fn sweep() {
    // Only who is in a machine knows of its grace periods.
    let machine = this_machine();
    for ((_, number), ()) in SETTLING.range((machine, 0), (machine + 1, 0), SWEPT) {
        let signalled = RECORDS.with(number, |record| record.signalled).flatten();
        if signalled.is_none_or(|(stamp, _)| rcu_stamp_passed(stamp)) {
            forget(number);
        }
    }
}

/// Forgets a fence.
pub(super) fn forget(number: u64) {
    PENDING.remove(number);
    let Some(record) = RECORDS.remove(number) else {
        return;
    };
    SETTLING.remove((record.machine, number));
    if LIVE.with(record.addr, |live| *live == number) == Some(true) {
        LIVE.remove(record.addr);
    }
    for (addr, descr) in record.reached.into_iter().flatten() {
        debug_object_deactivate(addr, number, descr);
    }
}

/// The memory of a fence is about to be freed.
pub(super) fn memory_goes(number: u64) {
    PENDING.remove(number);
    let Some((addr, machine, settles)) = RECORDS.with(number, |record| {
        record.released = true;
        (record.addr, record.machine, record.signalled.is_some())
    }) else {
        return;
    };
    if !settles {
        return forget(number);
    }
    SETTLING.insert((machine, number), ());
    if LIVE.with(addr, |live| *live == number) == Some(true) {
        LIVE.remove(addr);
    }
}
