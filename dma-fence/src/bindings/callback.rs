// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks, and enabling what makes a fence signal.

use super::{
    super::contract::{self, Call},
    dma_fence, dma_fence_assert_held, dma_fence_cb, dma_fence_func_t, dma_fence_is_over,
    dma_fence_lock_irqsave, dma_fence_signal_locked, dma_fence_unlock_irqrestore,
    fence::{cb_list, live, ENABLE_SIGNAL, SIGNALED},
    trace_dma_fence_enable_signal,
    wait::woken_task,
};
use core::ptr::addr_of_mut;
use kernel::{
    bindings::{
        list_add_tail, list_del_init, list_empty, rcu_read_lock, rcu_read_unlock, task_struct,
        EINVAL, ENOENT, INIT_LIST_HEAD,
    },
    ffi::c_int,
    WARN_ON,
};

/// Enables signalling under the lock; false if the fence has signalled, maybe just now.
///
/// # Safety
///
/// The caller holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn __dma_fence_enable_signaling(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference, and holds the lock under which signals come, so the ops
    // stay attached while the op is looked up. But the op has the lock as well, and may signal:
    // from then on only the read-side section keeps what it runs in, which its owner frees a grace
    // period after the signal.
    unsafe {
        let f = live(fence);
        dma_fence_assert_held(fence);
        contract::publish(f);
        // Under the lock alone is it set: what is there needs no barrier.
        let was_set = f.test(ENABLE_SIGNAL) || f.test_and_set(ENABLE_SIGNAL);
        if cfg!(not(fault = "unlocked")) && f.test(SIGNALED) {
            return false;
        }
        rcu_read_lock();
        let mut enabled = true;
        let op = f.ops().and_then(|ops| ops.as_ref().enable_signaling);
        if let (false, Some(enable_signaling)) = (was_set, op) {
            trace_dma_fence_enable_signal(fence);
            contract::call_begin(f, Call::EnableSignaling);
            enabled = enable_signaling(fence);
            contract::call_end();
        }
        rcu_read_unlock();
        if !enabled {
            dma_fence_signal_locked(fence);
        }
        enabled
    }
}

/// Makes sure that the fence will signal by itself; takes the lock. From any context.
///
/// The first call emits `dma_fence_enable_signal` and calls the op of that name, if there is one
/// and the fence has not signalled; if the op says false, the fence signals at once.
#[doc(alias = "dma_fence_enable_sw_signaling")]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_enable_signaling(fence: *mut dma_fence) {
    contract::needs_reference!(fence, "dma_fence_enable_signaling");
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe { enable_signaling(fence) }
}

/// As [`dma_fence_enable_signaling`], where the caller knows that there is a fence.
#[cfg_attr(feature = "debug", track_caller)]
pub(super) unsafe fn enable_signaling(fence: *mut dma_fence) {
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe {
        if live(fence).test(ENABLE_SIGNAL) && dma_fence_is_over(fence) {
            return;
        }
        let flags = dma_fence_lock_irqsave(fence);
        __dma_fence_enable_signaling(fence);
        dma_fence_unlock_irqrestore(fence, flags);
    }
}

/// Has `func` called when the fence signals, after the callbacks that were added before; enables
/// signalling. Takes the lock. From any context.
///
/// 0, or -ENOENT if the fence has signalled, in which case `func` is never called; -EINVAL, with
/// a warning, without a fence or function. Rules
/// [callback-once](../../../book/rules/callback-once.html) and
/// [callback-atomic](../../../book/rules/callback-atomic.html).
///
/// # Safety
///
/// `cb` is pending on no fence; `func` may be called with it
/// in any context, with the lock held. `fence` may be null.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_add_callback(
    fence: *mut dma_fence,
    cb: *mut dma_fence_cb,
    func: dma_fence_func_t,
) -> c_int {
    if WARN_ON!(fence.is_null() || func.is_none()) {
        return -(EINVAL as c_int);
    }
    contract::needs_reference!(fence, "dma_fence_add_callback", -(EINVAL as c_int));
    // SAFETY: The caller has a reference, and the callback is not in use; the list is changed under
    // the lock.
    unsafe {
        let (f, node) = (live(fence), addr_of_mut!((*cb).node));
        if f.test(SIGNALED) {
            contract::add_callback(f, cb, false);
            INIT_LIST_HEAD(node);
            return -(ENOENT as c_int);
        }
        let flags = dma_fence_lock_irqsave(fence);
        let pending = __dma_fence_enable_signaling(fence);
        contract::add_callback(f, cb, pending);
        if pending {
            (*cb).func = func;
            list_add_tail(node, cb_list(fence));
        } else {
            INIT_LIST_HEAD(node);
        }
        dma_fence_unlock_irqrestore(fence, flags);
        if pending {
            0
        } else {
            -(ENOENT as c_int)
        }
    }
}

/// Takes a callback back; true if it had not been called, and now never will be. False says that
/// it has been: since this takes the lock, it is not running any more. From any context.
///
/// # Safety
///
/// `cb` was given to [`dma_fence_add_callback`] with this
/// fence. The caller does not hold the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_remove_callback(fence: *mut dma_fence, cb: *mut dma_fence_cb) -> bool {
    contract::needs_fence!(fence, "dma_fence_remove_callback", false);
    // SAFETY: The caller has a reference and does not hold the lock, under which the list, on which
    // the callback is or was, is changed.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence);
        let node = addr_of_mut!((*cb).node);
        let pending = !list_empty(node);
        contract::remove_callback(live(fence), cb, pending);
        if pending {
            list_del_init(node);
        }
        dma_fence_unlock_irqrestore(fence, flags);
        pending
    }
}

/// Calls `f` with each callback that is pending, in their order, and the task that it wakes, or null if it
/// does something else; under the lock. From any context.
///
/// # Safety
///
/// The caller has a reference and does not hold the lock.
pub(crate) unsafe fn each_callback(
    fence: *mut dma_fence,
    mut f: impl FnMut(*mut dma_fence_cb, *mut task_struct),
) {
    // SAFETY: The caller has a reference. Until it signals the fence has a list, which is changed under
    // the lock, and what is on it is the first member of a callback.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence);
        if !live(fence).test(SIGNALED) {
            let head = cb_list(fence);
            let mut node = (*head).next;
            while node != head {
                let cb: *mut dma_fence_cb = node.cast();
                node = (*node).next;
                f(cb, woken_task(cb));
            }
        }
        dma_fence_unlock_irqrestore(fence, flags);
    }
}
