// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for work, and taking it back.
//!
//! C file mirrored: [`kernel/workqueue.c`](srctree/kernel/workqueue.c)
//!
//! Every queued item has a number. A task waits until no item of certain numbers is queued or
//! running, and so does not access the items themselves, which may be freed by then.

use super::{
    super::{globals, list_empty, may_sleep, wait_event, MAX_SCHEDULE_TIMEOUT},
    pool::{Inner, Pools},
    work_struct, workqueue_struct, DISABLED,
};
use crate::lockdep::Off;
use core::{panic::Location, ptr, sync::atomic::Ordering::Relaxed};
use machine::blocked::{self, Thing, KINDS};

/// What a task that flushes is said to wait for.
const QUEUE: Thing = Thing::new("the work of a queue", (KINDS + 7, 0));

/// Waits for `thing`: until there is no item for whose queue and number `f` holds.
#[track_caller]
fn wait_until_none(pools: &Pools, thing: Thing, f: impl Fn(*const workqueue_struct, u64) -> bool) {
    let _waits = blocked::waiting(thing);
    let none = || !pools.lock().any(&f);
    // The first lock initialises the wait queue `done()`.
    if !none() {
        // SAFETY: The queue is initialised.
        unsafe { wait_event(pools.done(), 0, MAX_SCHEDULE_TIMEOUT, none) };
    }
}

/// The task is about to wait for the work, for lockdep.
#[track_caller]
unsafe fn touch(work: *mut work_struct) {
    // SAFETY: `work` is initialised: the caller's guarantee. It was queued, so it has had a queue.
    let (dep_map, wq) = unsafe { (&(*work).dep_map, (*work).wq.as_ref()) };
    let off = wq.map_or(Off::None, workqueue_struct::runs_in);
    dep_map.touch(off, Location::caller());
}

/// The number of the item that `work` was last queued as, while it is waiting or being run.
unsafe fn last_item(inner: &mut Inner, work: *mut work_struct) -> Option<u64> {
    // SAFETY: `work` is initialised, and changes only under the pools' lock, which is held.
    let work = unsafe { &*work };
    // SAFETY: The pools' lock is held. What is pending and on no list waits for its timer.
    if unsafe { list_empty(&raw const work.entry) } {
        return inner.running(work);
    }
    Some(work.seq)
}

/// Waits until the work was run that is queued now, or is being run; false if it is neither.
/// Delayed work whose time has not come is not waited for. May sleep.
///
/// # Safety
///
/// `work` is initialised, and not that of the caller.
#[track_caller]
pub unsafe fn flush_work(work: *mut work_struct) -> bool {
    may_sleep();
    globals::with(|globals| {
        // SAFETY: `work` is initialised: the caller's guarantee.
        let item = unsafe { last_item(&mut globals.pools.lock(), work) };
        let Some(item) = item else { return false };
        // SAFETY: `work` is initialised: the caller's guarantee.
        unsafe { touch(work) };
        // SAFETY: As above.
        let thing = unsafe { (*work).thing(item) };
        wait_until_none(&globals.pools, thing, |_, seq| seq == item);
        true
    })
}

/// Waits until all work was run that is on the queue now. May sleep.
///
/// # Safety
///
/// `wq` is valid, and the caller is not run by it.
#[track_caller]
pub unsafe fn __flush_workqueue(wq: *mut workqueue_struct) {
    may_sleep();
    // SAFETY: `wq` is valid: the caller's guarantee.
    unsafe { &*wq }.touch(Location::caller());
    globals::with(|globals| {
        let next = globals.pools.lock().seq;
        wait_until_none(&globals.pools, QUEUE, |own, seq| {
            ptr::eq(own, wq) && seq < next
        });
    });
}

pub use __flush_workqueue as flush_workqueue;

/// Waits until the queue is empty, whatever is queued meanwhile: Linux allows only the work of the
/// queue itself to queue more, and warns of others. May sleep.
///
/// # Safety
///
/// As [`__flush_workqueue`].
#[track_caller]
pub unsafe fn drain_workqueue(wq: *mut workqueue_struct) {
    may_sleep();
    // SAFETY: `wq` is valid: the caller's guarantee.
    unsafe { &*wq }.touch(Location::caller());
    globals::with(|globals| wait_until_none(&globals.pools, QUEUE, |own, _| ptr::eq(own, wq)));
}

/// Takes the work off its queue: true if it was there. It may still be running. From any context.
pub unsafe fn cancel_work(work: *mut work_struct) -> bool {
    globals::with(|globals| {
        let mut inner = globals.pools.lock();
        // SAFETY: `work` is initialised: the caller's guarantee.
        let removed = unsafe { inner.remove(work) };
        globals.pools.wake_flushers(&mut inner);
        removed
    })
}

/// As [`cancel_work`], and waits until it is not running; meanwhile it is disabled. May sleep.
///
/// # Safety
///
/// As [`flush_work`].
#[track_caller]
pub unsafe fn cancel_work_sync(work: *mut work_struct) -> bool {
    // SAFETY: `work` is initialised, and not the caller's own: its guarantee.
    unsafe {
        let removed = disable_work_sync(work);
        enable_work(work);
        removed
    }
}

/// As [`cancel_work_sync`], and disables it until [`enable_work`] is called as often. May sleep.
///
/// # Safety
///
/// As [`flush_work`].
#[track_caller]
pub unsafe fn disable_work_sync(work: *mut work_struct) -> bool {
    may_sleep();
    // SAFETY: `work` is initialised, and not the caller's own: its guarantee.
    unsafe {
        disable(work);
        let removed = cancel_work(work);
        wait_until_not_running(work);
        removed
    }
}

/// Undoes one [`disable_work_sync`]; true if the work can be queued again. From any context.
pub unsafe fn enable_work(work: *mut work_struct) -> bool {
    globals::with(|globals| {
        let _inner = globals.pools.lock();
        // SAFETY: `work` is initialised: the caller's guarantee.
        let data = unsafe { &(*work).data };
        if crate::WARN_ON!(data.load(Relaxed) < DISABLED) {
            return true;
        }
        data.fetch_sub(DISABLED, Relaxed) < 2 * DISABLED
    })
}

/// Keeps the work from being queued.
pub(super) unsafe fn disable(work: *mut work_struct) {
    globals::with(|globals| {
        let _inner = globals.pools.lock();
        // SAFETY: `work` is initialised: the caller's guarantee.
        unsafe { &(*work).data }.fetch_add(DISABLED, Relaxed);
    });
}

/// Waits until no worker runs the work.
///
/// # Safety
///
/// As [`flush_work`].
#[track_caller]
pub(super) unsafe fn wait_until_not_running(work: *mut work_struct) {
    globals::with(|globals| {
        // SAFETY: `work` is initialised: the caller's guarantee.
        let item = globals.pools.lock().running(unsafe { &*work });
        if let Some(item) = item {
            // SAFETY: `work` is initialised: the caller's guarantee.
            unsafe { touch(work) };
            // SAFETY: As above.
            let thing = unsafe { (*work).thing(item) };
            wait_until_none(&globals.pools, thing, |_, seq| seq == item);
        }
    });
}
