// SPDX-License-Identifier: GPL-2.0-only
//! Signalling, and the lock under which it happens.

use super::{
    super::contract,
    dma_fence, dma_fence_begin_signalling, dma_fence_cb, dma_fence_end_signalling,
    fence::{cb_list, SIGNALED, TIMESTAMP},
    trace_dma_fence_signaled,
};
use core::{
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::Ordering::{Relaxed, Release},
};
use kernel::{
    bindings::{
        ktime_get, ktime_t, list_head, list_replace, spin_assert_is_held, spin_lock_irqsave,
        spin_unlock_irqrestore, spinlock_t, INIT_LIST_HEAD,
    },
    ffi::c_ulong,
    WARN_ON,
};

/// The lock of the fence: its own, or the one it was given.
///
/// # Safety
///
/// See the module [`bindings`](super).
#[inline]
pub unsafe fn dma_fence_spinlock(fence: *mut dma_fence) -> *mut spinlock_t {
    // SAFETY: The caller has a reference to the fence.
    unsafe { &*fence }.spinlock()
}

/// Takes the lock with interrupts off; gives what [`dma_fence_unlock_irqrestore`] needs.
///
/// # Safety
///
/// See the module [`bindings`](super). The caller does not hold the lock.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_lock_irqsave(fence: *mut dma_fence) -> c_ulong {
    // SAFETY: The caller has a reference to the fence, whose lock it is, and does not hold it.
    unsafe {
        contract::lock(&*fence);
        spin_lock_irqsave(dma_fence_spinlock(fence))
    }
}

/// Ends what [`dma_fence_lock_irqsave`] began.
///
/// # Safety
///
/// See the module [`bindings`](super). The caller holds the lock.
#[inline]
pub unsafe fn dma_fence_unlock_irqrestore(fence: *mut dma_fence, flags: c_ulong) {
    // SAFETY: By the safety requirements.
    unsafe { spin_unlock_irqrestore(dma_fence_spinlock(fence), flags) }
}

/// Warns, in a debug kernel, if nobody holds the lock.
///
/// # Safety
///
/// See the module [`bindings`](super).
#[inline]
pub unsafe fn dma_fence_assert_held(fence: *mut dma_fence) {
    // SAFETY: By the safety requirements.
    unsafe { spin_assert_is_held(dma_fence_spinlock(fence)) }
}

/// Signals, as of `timestamp` (ns, `CLOCK_MONOTONIC`). Only the first call does anything.
///
/// Sets the bit, emits `dma_fence_signaled`, detaches the ops if they have neither `wait` nor
/// `release`, stores the timestamp, and calls the callbacks in the order in which they were
/// added. Each of these may free its callback.
///
/// # Safety
///
/// See the module [`bindings`](super). The caller holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal_timestamp_locked(fence: *mut dma_fence, timestamp: ktime_t) {
    // SAFETY: By the safety requirements, here and for all of `fence` below.
    unsafe { dma_fence_assert_held(fence) };
    // SAFETY: As above.
    let f = unsafe { &*fence };
    contract::signal(f);
    if f.test_and_set(SIGNALED) {
        return;
    }
    contract::signaled(f);
    // SAFETY: The ops are attached until the line below, under the lock.
    unsafe { trace_dma_fence_signaled(fence) };

    // SAFETY: As above: they live at least a grace period longer than this attachment.
    if f.ops().is_some_and(|ops| unsafe {
        let ops = ops.as_ref();
        ops.release.is_none() && ops.wait.is_none()
    }) {
        // The fence becomes independent of who issued it. A reader that still finds the ops is
        // inside a section that the issuer has to wait for.
        f.ops.store(null_mut(), Relaxed);
    }

    let mut stack = MaybeUninit::<list_head>::uninit();
    let callbacks = stack.as_mut_ptr();
    // SAFETY: The list is ours: its fence is locked, and nobody adds to it any more. It moves to
    // the stack before the timestamp takes its place.
    unsafe {
        list_replace(cb_list(fence), callbacks);
        (*f.list.get()).timestamp = timestamp;
    }
    // Publishes the timestamp to `dma_fence_timestamp()`.
    f.flags.fetch_or(TIMESTAMP, Release);

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

/// As [`dma_fence_signal_timestamp_locked`]; takes the lock. From any context. Warns about null.
///
/// # Safety
///
/// See the module [`bindings`](super). `fence` may be null.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal_timestamp(fence: *mut dma_fence, timestamp: ktime_t) {
    if WARN_ON!(fence.is_null()) {
        return;
    }
    // SAFETY: By the safety requirements.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence);
        dma_fence_signal_timestamp_locked(fence, timestamp);
        dma_fence_unlock_irqrestore(fence, flags);
    }
}

/// Signals as of now, under the lock that the caller holds.
///
/// # Safety
///
/// As [`dma_fence_signal_timestamp_locked`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal_locked(fence: *mut dma_fence) {
    // SAFETY: By the safety requirements.
    unsafe { dma_fence_signal_timestamp_locked(fence, ktime_get()) }
}

/// Signals as of now; takes the lock. From any context. Warns about null.
///
/// # Safety
///
/// See the module [`bindings`](super). `fence` may be null.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_signal(fence: *mut dma_fence) {
    if WARN_ON!(fence.is_null()) {
        return;
    }
    // SAFETY: By the safety requirements.
    unsafe {
        let cookie = dma_fence_begin_signalling();
        let flags = dma_fence_lock_irqsave(fence);
        dma_fence_signal_timestamp_locked(fence, ktime_get());
        dma_fence_unlock_irqrestore(fence, flags);
        dma_fence_end_signalling(cookie);
    }
}

/// Signals under the lock that the caller holds; true if it had signalled before.
///
/// # Safety
///
/// As [`dma_fence_signal_timestamp_locked`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_check_and_signal_locked(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe {
        let signaled = (*fence).test(SIGNALED);
        dma_fence_signal_locked(fence);
        signaled
    }
}

/// Signals, and says whether it had signalled before; takes the lock. From any context.
///
/// # Safety
///
/// See the module [`bindings`](super).
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_check_and_signal(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence);
        let signaled = dma_fence_check_and_signal_locked(fence);
        dma_fence_unlock_irqrestore(fence, flags);
        signaled
    }
}
