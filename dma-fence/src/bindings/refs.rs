// SPDX-License-Identifier: GPL-2.0-only
//! References to fences, and the end of the last one.

use super::{
    super::contract::{self, Call},
    dma_fence, dma_fence_driver_name, dma_fence_kref, dma_fence_lock_irqsave,
    dma_fence_timeline_name, dma_fence_unlock_irqrestore,
    fence::{cb_list, live, Live, SIGNALED},
    signal::signal_locked,
    trace_dma_fence_destroy,
};
use core::{ffi::CStr, mem::offset_of, ptr::null_mut};
use kernel::{
    bindings::{
        callback_head, cpu_relax, kref, kref_get, kref_get_unless_zero, kref_put, ktime_get,
        kvfree_call_rcu, list_empty, rcu_read_lock, rcu_read_unlock, EDEADLK,
    },
    ffi::c_char,
    str::CStrExt as _,
    sync::atomic::{Acquire, Atomic, Relaxed},
    WARN,
};

/// Takes another reference, and returns the fence; null stays null. From any context.
///
/// # Safety
///
/// `fence` is null, or the caller has a reference.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_get(fence: *mut dma_fence) -> *mut dma_fence {
    if !fence.is_null() {
        contract::needs_reference!(fence, "dma_fence_get", fence);
        // SAFETY: The caller has a reference.
        unsafe {
            kref_get(dma_fence_kref(fence));
            contract::get(fence.cast());
        }
    }
    fence
}

/// Takes a reference; returns null if the last one was dropped already. From any context.
///
/// # Safety
///
/// `fence` was found inside the RCU read-side section in which this is called.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_get_rcu(fence: *mut dma_fence) -> *mut dma_fence {
    contract::needs_fence!(fence, "dma_fence_get_rcu", null_mut());
    // SAFETY: The memory is that of a fence as long as the caller's section lasts.
    if unsafe { kref_get_unless_zero(dma_fence_kref(fence)) } != 0 {
        contract::get(fence.cast());
        fence
    } else {
        null_mut()
    }
}

/// Takes a reference to the fence that a slot names; null if it names none. From any context.
///
/// The slot is read again after the reference was taken: if its fence's memory has become that
/// of another in the meantime, the reference would be to the wrong one.
///
/// # Safety
///
/// `fencep` is valid, its fences are freed RCU-safe, and the caller is inside a read-side
/// section.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_get_rcu_safe(fencep: *mut *mut dma_fence) -> *mut dma_fence {
    // SAFETY: `fencep` is valid, and changed atomically.
    let slot = unsafe { Atomic::from_ptr(fencep) };
    loop {
        // Pairs with whatever published the fence in the slot.
        let fence = slot.load(Acquire);
        if fence.is_null() {
            return fence;
        }
        contract::needs_fence!(fence, "dma_fence_get_rcu_safe", null_mut());
        // SAFETY: Just found, in the caller's section.
        if unsafe { dma_fence_get_rcu(fence) }.is_null() {
            // Its last reference was dropped: the slot has another by now, or soon.
            // SAFETY: A pause has no preconditions.
            unsafe { cpu_relax() };
            continue;
        }
        // The reference was taken with `Acquire`, so this is read after it.
        if cfg!(fault = "reread") || slot.load(Relaxed) == fence {
            return fence;
        }
        // SAFETY: The reference just taken.
        unsafe { dma_fence_put(fence) };
    }
}

/// Drops a reference; null is allowed. From any context, but the last one takes the lock if
/// callbacks are pending.
///
/// Rules [release-signalled](../../../book/rules/release-signalled.html), and for the last one in a
/// callback [callback-atomic](../../../book/rules/callback-atomic.html).
///
/// # Safety
///
/// `fence` is null, or the caller owns a reference.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_put(fence: *mut dma_fence) {
    if !fence.is_null() {
        contract::needs_reference!(fence, "dma_fence_put");
        // SAFETY: The caller owns a reference; the release frees what is no longer referenced.
        unsafe {
            contract::put(live(fence));
            kref_put(dma_fence_kref(fence), Some(dma_fence_release));
        }
    }
}

/// Ends a fence whose last reference was dropped: emits `dma_fence_destroy`, and frees the fence
/// through its `release` op or by [`dma_fence_free`].
///
/// Callbacks that are pending then are a bug of their owner: warns, signals with -EDEADLK.
///
/// # Safety
///
/// `kref` is that of a fence, and its count is 0.
pub unsafe extern "C" fn dma_fence_release(kref: *mut kref) {
    // SAFETY: The count is a member of a fence.
    let fence: *mut dma_fence = unsafe { kref.byte_sub(offset_of!(dma_fence, refcount)).cast() };
    // SAFETY: The memory is ours until it is freed below. The read-side section keeps what the ops
    // reach from going while it is open.
    unsafe {
        let f = live(fence);
        rcu_read_lock();
        trace_dma_fence_destroy(fence);
        // Once it has signalled, there is no list any more.
        let pending = !f.test(SIGNALED) && !list_empty(cb_list(fence));
        contract::release(f, pending);
        if pending {
            signal_forgotten(fence);
        }
        contract::destroy(f);
        match f.ops().and_then(|ops| ops.as_ref().release) {
            Some(release) => {
                contract::call_begin(f, Call::Release);
                release(fence);
                contract::call_end();
            }
            None => dma_fence_free(fence),
        }
        rcu_read_unlock();
    }
}

/// # Safety
///
/// The count of `fence` is 0, callbacks are pending, and this is a read-side section.
#[cold]
unsafe fn signal_forgotten(fence: *mut dma_fence) {
    let str = |name: *const c_char| {
        // SAFETY: A name lives as long as the read-side section that it was asked for in.
        unsafe { CStr::from_char_ptr(name) }.to_str().unwrap_or("?")
    };
    // SAFETY: The memory is the caller's, and the names are used inside its read-side section.
    unsafe {
        let driver = str(dma_fence_driver_name(fence));
        let timeline = str(dma_fence_timeline_name(fence));
        let (context, seqno) = ((*fence).context, (*fence).seqno);
        WARN!(
            true,
            "Fence {driver}:{timeline}:{context:x}:{seqno:x} released with pending signals!"
        );
        let flags = dma_fence_lock_irqsave(fence);
        live(fence).set_error(-(EDEADLK as i32));
        signal_locked(fence, ktime_get());
        dma_fence_unlock_irqrestore(fence, flags);
    }
}

/// Frees the memory of a fence after a grace period. From any context.
///
/// # Safety
///
/// The last reference was dropped; the fence is the first member of a block from `kmalloc()`.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_free(fence: *mut dma_fence) {
    // In a model memory stays: no thread of it would free any.
    if cfg!(loom) {
        return;
    }
    const RCU: usize = offset_of!(Live, list);
    // SAFETY: The list is not used any more, since the last reference is gone; RCU's part of the
    // union is at its beginning.
    unsafe {
        let head: *mut callback_head = fence.byte_add(RCU).cast();
        kvfree_call_rcu::<RCU>(head);
    }
}
