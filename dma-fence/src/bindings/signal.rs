// SPDX-License-Identifier: GPL-2.0-only
//! Signalling, and the lock under which it happens.

use super::{
    super::contract,
    dma_fence, dma_fence_begin_signalling, dma_fence_cb, dma_fence_end_signalling,
    fence::{cb_list, live, SIGNALED},
    trace_dma_fence_signaled,
};
use core::mem::MaybeUninit;
use kernel::{
    bindings::{
        ktime_get, ktime_t, list_head, list_replace, spin_assert_is_held, spin_lock_irqsave,
        spin_unlock_irqrestore, spinlock_t, INIT_LIST_HEAD,
    },
    ffi::c_ulong,
    WARN_ON,
};

/// The lock of the fence: its own, or the one it was given.
#[inline]
pub unsafe fn dma_fence_spinlock(fence: *mut dma_fence) -> *mut spinlock_t {
    // SAFETY: The caller has a reference to the fence.
    unsafe { live(fence) }.spinlock()
}

/// Takes the lock with interrupts off; returns what [`dma_fence_unlock_irqrestore`] needs.
///
/// # Safety
///
/// The caller does not hold the lock.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_lock_irqsave(fence: *mut dma_fence) -> c_ulong {
    // SAFETY: The caller has a reference to the fence, whose lock it is, and does not hold it.
    unsafe {
        contract::lock(live(fence));
        spin_lock_irqsave(dma_fence_spinlock(fence))
    }
}

/// Ends what [`dma_fence_lock_irqsave`] began.
///
/// # Safety
///
/// The caller holds the lock.
#[inline]
pub unsafe fn dma_fence_unlock_irqrestore(fence: *mut dma_fence, flags: c_ulong) {
    // SAFETY: The caller has a reference to the fence, and holds its lock.
    unsafe { spin_unlock_irqrestore(dma_fence_spinlock(fence), flags) }
}

/// Warns, in a debug kernel, if the lock is not held.
#[inline]
pub unsafe fn dma_fence_assert_held(fence: *mut dma_fence) {
    // SAFETY: The caller has a reference to the fence.
    unsafe { spin_assert_is_held(dma_fence_spinlock(fence)) }
}

/// Signals, as of `timestamp` (ns, `CLOCK_MONOTONIC`). Only the first call does anything.
///
/// Stores the timestamp, sets the bit together with that of the timestamp, emits `dma_fence_signaled`,
/// detaches the ops if they have neither `wait` nor `release`, and calls the callbacks in the order in
/// which they were added. Each of these may free its callback.
///
/// C sets the bit first, and that of the timestamp when the ops are detached: one locked operation more, and
/// what asks for the time may have to wait for it.
///
/// # Safety
///
/// The caller holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal_timestamp_locked(fence: *mut dma_fence, timestamp: ktime_t) {
    contract::needs_reference!(fence, "dma_fence_signal_timestamp_locked");
    // SAFETY: The caller's guarantees are the same.
    unsafe { signal_locked(fence, timestamp) };
}

/// As [`dma_fence_signal_timestamp_locked`], where the caller knows that there is a fence, and also for one that is
/// being released.
///
/// # Safety
///
/// The caller holds the lock.
#[cfg_attr(not(feature = "debug"), inline)]
#[cfg_attr(feature = "debug", track_caller)]
pub(super) unsafe fn signal_locked(fence: *mut dma_fence, timestamp: ktime_t) {
    // SAFETY: The caller has a reference to the fence, or has dropped the last.
    let f = unsafe { live(fence) };
    // SAFETY: The caller has a reference to the fence.
    unsafe { dma_fence_assert_held(fence) };
    if f.test(SIGNALED) {
        return;
    }
    contract::signal(f);
    let mut stack = MaybeUninit::<list_head>::uninit();
    let callbacks = stack.as_mut_ptr();
    // SAFETY: The list is ours: its fence is locked, and nothing is added to it once the bit is set,
    // under the same lock. It moves to the stack before the timestamp takes its place.
    unsafe {
        list_replace(cb_list(fence), callbacks);
        f.set_timestamp(timestamp);
    }
    // Publishes the timestamp to `dma_fence_timestamp()`, which so need not wait for it.
    if !f.set_signalled() {
        // SAFETY: The lock is held, and the list has moved to the stack.
        return unsafe { give_back(fence, callbacks) };
    }
    // SAFETY: The ops are attached until the lines below, under the lock.
    unsafe { trace_dma_fence_signaled(fence) };
    contract::signaled(f);

    // SAFETY: The ops live at least a grace period longer than they are attached.
    let ops = f.ops().map(|ops| unsafe { ops.as_ref() });
    if ops.is_some_and(|ops| ops.release.is_none() && ops.wait.is_none()) {
        // The fence becomes independent of its issuer. A reader that still finds the ops is inside
        // a section that the issuer has to wait for.
        f.detach();
    }

    // SAFETY: A callback is valid until it was called, so its successor is read before that.
    // The first member of a callback is its link.
    unsafe {
        let mut node = (*callbacks).next;
        while node != callbacks {
            let next = (*node).next;
            INIT_LIST_HEAD(node);
            let cb: *mut dma_fence_cb = node.cast();
            if let Some(func) = (*cb).func {
                contract::callback_begin(f, cb);
                func(fence, cb);
                contract::call_end();
            }
            node = next;
        }
    }
}

/// A driver has set the bit itself, without the lock, as i915 does: it waits for the lock to do the rest,
/// and the list is still its own.
///
/// # Safety
///
/// The caller holds the lock, and has moved the list of callbacks to the head `from`.
#[cold]
#[inline(never)]
unsafe fn give_back(fence: *mut dma_fence, from: *mut list_head) {
    // SAFETY: The list goes back where it was.
    unsafe { list_replace(from, cb_list(fence)) };
}

/// As [`dma_fence_signal_timestamp_locked`]; takes the lock. From any context. Warns about null.
///
/// # Safety
///
/// `fence` may be null.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal_timestamp(fence: *mut dma_fence, timestamp: ktime_t) {
    if WARN_ON!(fence.is_null()) {
        return;
    }
    contract::needs_reference!(fence, "dma_fence_signal_timestamp");
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence);
        signal_locked(fence, timestamp);
        dma_fence_unlock_irqrestore(fence, flags);
    }
}

/// Signals as of now, under the lock that the caller holds.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal_locked(fence: *mut dma_fence) {
    contract::needs_reference!(fence, "dma_fence_signal_locked");
    // SAFETY: The caller has a reference, and holds the lock.
    unsafe { signal_locked(fence, ktime_get()) }
}

/// Signals as of now; takes the lock. From any context. Warns about null.
///
/// # Safety
///
/// `fence` may be null.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal(fence: *mut dma_fence) {
    if WARN_ON!(fence.is_null()) {
        return;
    }
    contract::needs_reference!(fence, "dma_fence_signal");
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe {
        let cookie = dma_fence_begin_signalling();
        let flags = dma_fence_lock_irqsave(fence);
        signal_locked(fence, ktime_get());
        dma_fence_unlock_irqrestore(fence, flags);
        dma_fence_end_signalling(cookie);
    }
}

/// Signals under the lock that the caller holds; true if it had signalled before.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_check_and_signal_locked(fence: *mut dma_fence) -> bool {
    contract::needs_reference!(fence, "dma_fence_check_and_signal_locked", true);
    // SAFETY: The caller has a reference, and holds the lock.
    unsafe {
        let signaled = live(fence).test(SIGNALED);
        signal_locked(fence, ktime_get());
        signaled
    }
}

/// Signals, and returns whether it had signalled before; takes the lock. From any context.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_check_and_signal(fence: *mut dma_fence) -> bool {
    contract::needs_reference!(fence, "dma_fence_check_and_signal", true);
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence);
        let signaled = dma_fence_check_and_signal_locked(fence);
        dma_fence_unlock_irqrestore(fence, flags);
        signaled
    }
}
