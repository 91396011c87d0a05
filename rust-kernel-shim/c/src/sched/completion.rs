// SPDX-License-Identifier: GPL-2.0-only
//! Completions: one task waits until another has done something.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use crate::ffi::{c_long, c_uint, c_ulong};
use crate::{
    init_waitqueue_head,
    lockdep::{dep_map, slept, What},
    may_sleep, spin_lock_irqsave, spin_unlock_irqrestore, wait_event, wait_queue_head, wake_locked,
    MAX_SCHEDULE_TIMEOUT, TASK_NORMAL, WQ_FLAG_EXCLUSIVE,
};
use core::{panic::Location, ptr::addr_of_mut};
use machine::blocked::{self, Thing, KINDS};

/// Something to wait for.
///
/// # Invariants
///
/// `done` is the number of waiters that may still go on; it changes under the lock of `wait`, and
/// no more once it is `c_uint::MAX`.
#[repr(C)]
pub struct completion {
    done: c_uint,
    dep_map: dep_map,
    wait: wait_queue_head,
}

/// Makes `x` something that has not been done.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn init_completion(x: *mut completion) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { init_completion_at(x, Location::caller()) };
}

/// As [`init_completion`], for a driver that has asked for it there: completions of one line are of
/// one class.
pub unsafe fn init_completion_at(x: *mut completion, at: &'static Location<'static>) {
    // SAFETY: `x` is valid for writes: the caller's guarantee.
    unsafe {
        (*x).done = 0;
        addr_of_mut!((*x).dep_map).write(dep_map::of_place(c"(completion)", at, What::Completion));
        init_waitqueue_head(addr_of_mut!((*x).wait));
    }
}

/// Takes one of what was done; false if nothing was.
unsafe fn take(x: *mut completion) -> bool {
    // SAFETY: `x` is initialised: the caller's guarantee. `done` is changed under its lock.
    unsafe {
        let lock = addr_of_mut!((*x).wait.lock);
        let flags = spin_lock_irqsave(lock);
        let done = (*x).done;
        if !matches!(done, 0 | c_uint::MAX) {
            (*x).done = done - 1;
        }
        spin_unlock_irqrestore(lock, flags);
        done != 0
    }
}

/// Lets one waiter go on. From any context.
///
/// # Safety
///
/// `x` is initialised, and valid until a waiter has returned or this call has.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn complete(x: *mut completion) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { complete_and_wake(x, |done| done.saturating_add(1), false) }
}

/// Lets all waiters go on, now and later. From any context.
///
/// # Safety
///
/// As [`complete`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn complete_all(x: *mut completion) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { complete_and_wake(x, |_| c_uint::MAX, true) }
}

/// # Safety
///
/// As [`complete`].
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn complete_and_wake(x: *mut completion, f: impl FnOnce(c_uint) -> c_uint, all: bool) {
    // SAFETY: `x` is valid until a waiter has returned, which none has yet: the caller's guarantee.
    unsafe { &(*x).dep_map }.happens(x.addr(), Location::caller());
    // A waiter that sees the new `done` may return and take `x` with it: so the wake-up comes
    // first, inside the same section as the change.
    // SAFETY: `x` is valid until a waiter has returned: the caller's guarantee. A waiter takes the
    // lock before it returns, so the unlock below is the last access.
    unsafe {
        let lock = addr_of_mut!((*x).wait.lock);
        let flags = spin_lock_irqsave(lock);
        (*x).done = f((*x).done);
        let nr = if all { 0 } else { 1 };
        wake_locked(addr_of_mut!((*x).wait), TASK_NORMAL, nr);
        spin_unlock_irqrestore(lock, flags);
    }
}

#[track_caller]
unsafe fn wait_for_common(x: *mut completion, timeout: c_long) -> c_long {
    // SAFETY: `x` is initialised: the caller's guarantee.
    unsafe {
        wait_for(
            x,
            timeout,
            Thing::new("a completion", (KINDS + 8, x.addr() as u64)),
        )
    }
}

/// As [`wait_for_completion_timeout`], by which the task waits for `thing`.
#[track_caller]
pub(crate) unsafe fn wait_for(x: *mut completion, timeout: c_long, thing: Thing) -> c_long {
    // Who waits for a while does not wait forever.
    if may_sleep() && timeout == MAX_SCHEDULE_TIMEOUT {
        // SAFETY: `x` is initialised: the caller's guarantee.
        unsafe { &(*x).dep_map }.waited_for(Location::caller());
    }
    // Whether it is done already.
    slept();
    let _waits = blocked::waiting(thing);
    // SAFETY: `x` is initialised: the caller's guarantee.
    unsafe {
        wait_event(addr_of_mut!((*x).wait), WQ_FLAG_EXCLUSIVE, timeout, || {
            take(x)
        })
    }
}

/// Waits until it is done. May sleep, uninterruptibly.
#[track_caller]
pub unsafe fn wait_for_completion(x: *mut completion) {
    // SAFETY: `x` is initialised: the caller's guarantee.
    unsafe { wait_for_common(x, MAX_SCHEDULE_TIMEOUT) };
}

/// Waits until it is done, or `timeout` jiffies have passed. Returns the jiffies that are left,
/// at least 1; 0 if it was not done. May sleep.
#[track_caller]
pub unsafe fn wait_for_completion_timeout(x: *mut completion, timeout: c_ulong) -> c_ulong {
    let timeout = c_long::try_from(timeout).unwrap_or(MAX_SCHEDULE_TIMEOUT);
    // SAFETY: `x` is initialised: the caller's guarantee.
    unsafe { wait_for_common(x, timeout) }.cast_unsigned()
}
