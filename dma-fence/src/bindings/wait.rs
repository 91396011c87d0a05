// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for one fence.

use super::{
    super::contract,
    __dma_fence_might_wait,
    callback::enable_signaling,
    dma_fence, dma_fence_cb, dma_fence_is_over, dma_fence_lock_irqsave,
    dma_fence_unlock_irqrestore,
    fence::{cb_list, live, SIGNALED},
    signalling::has_waited,
    trace_dma_fence_wait_end, trace_dma_fence_wait_end_enabled, trace_dma_fence_wait_start,
};
use core::{
    cell::UnsafeCell,
    ptr::{self, addr_of_mut, null_mut},
};
use kernel::{
    bindings::{
        __set_current_state, get_current, list_add, list_del_init, list_empty, list_head,
        might_sleep, rcu_read_lock, rcu_read_unlock, schedule_timeout, signal_pending, task_struct,
        wake_up_state, EINVAL, ERESTARTSYS, MAX_SCHEDULE_TIMEOUT, TASK_INTERRUPTIBLE, TASK_NORMAL,
        TASK_RUNNING, TASK_UNINTERRUPTIBLE,
    },
    ffi::c_long,
    WARN_ON,
};

/// A callback that wakes a task.
#[repr(C)]
pub(super) struct default_wait_cb {
    pub(super) base: dma_fence_cb,
    pub(super) task: *mut task_struct,
}

/// # Safety
///
/// `cb` is the first member of a [`default_wait_cb`] whose task waits.
pub(super) unsafe extern "C" fn dma_fence_default_wait_cb(
    _fence: *mut dma_fence,
    cb: *mut dma_fence_cb,
) {
    let wait: *mut default_wait_cb = cb.cast();
    // SAFETY: The task is live, since it waits.
    unsafe { wake_up_state((*wait).task, TASK_NORMAL) };
}

/// Returns the task that a callback wakes; null if it does something else.
///
/// # Safety
///
/// The callback is pending, and the lock of its fence is held.
pub(super) unsafe fn woken_task(cb: *mut dma_fence_cb) -> *mut task_struct {
    // What has this address is this function, or one that does the same with what it is given.
    let wakes = |func| {
        ptr::fn_addr_eq(
            func,
            dma_fence_default_wait_cb as unsafe extern "C" fn(_, _),
        )
    };
    // SAFETY: The callback is pending; its function says what it is in.
    unsafe {
        match (*cb).func {
            Some(func) if wakes(func) => (*cb.cast::<default_wait_cb>()).task,
            _ => null_mut(),
        }
    }
}

pub(super) fn sleeping(intr: bool) -> u32 {
    if intr {
        TASK_INTERRUPTIBLE
    } else {
        TASK_UNINTERRUPTIBLE
    }
}

/// Waits, in the way that fences have without a `wait` op, until the fence has signalled or
/// `timeout` jiffies have passed. May sleep; takes the lock. Enables nothing.
///
/// Returns the jiffies that are left when it signals; 0 if none are, even if it has signalled in
/// the last one; and -ERESTARTSYS if `intr` and a signal came. A timeout of 0 looks once, and
/// returns 1 if it has signalled.
pub unsafe fn dma_fence_default_wait(fence: *mut dma_fence, intr: bool, timeout: c_long) -> c_long {
    contract::needs_reference!(fence, "dma_fence_default_wait", -(EINVAL as c_long));
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe { default_wait(fence, intr, timeout) }
}

/// As [`dma_fence_default_wait`], where the caller knows that there is a fence.
unsafe fn default_wait(fence: *mut dma_fence, intr: bool, timeout: c_long) -> c_long {
    // SAFETY: The caller has a reference and does not hold the lock. The callback is off the list,
    // which is changed under the lock, before this frame goes.
    unsafe {
        let f = live(fence);
        let signaled = if timeout == 0 { 1 } else { timeout };
        if dma_fence_is_over(fence) {
            return signaled;
        }
        let mut flags = dma_fence_lock_irqsave(fence);
        let early = if f.test(SIGNALED) {
            Some(signaled)
        } else if intr && signal_pending(get_current()) != 0 {
            Some(-(ERESTARTSYS as c_long))
        } else if timeout == 0 {
            Some(0)
        } else {
            None
        };
        if let Some(ret) = early {
            dma_fence_unlock_irqrestore(fence, flags);
            return ret;
        }

        let cell = UnsafeCell::new(default_wait_cb {
            base: dma_fence_cb {
                node: list_head::new(),
                func: Some(dma_fence_default_wait_cb),
            },
            task: get_current(),
        });
        let node = addr_of_mut!((*cell.get()).base.node);
        // At the head: the last waiter is woken first.
        list_add(node, cb_list(fence));

        let mut ret = timeout;
        while !f.test(SIGNALED) && ret > 0 {
            __set_current_state(sleeping(intr));
            dma_fence_unlock_irqrestore(fence, flags);
            ret = schedule_timeout(ret);
            flags = dma_fence_lock_irqsave(fence);
            if ret > 0 && intr && signal_pending(get_current()) != 0 {
                ret = -(ERESTARTSYS as c_long);
            }
        }

        if !list_empty(node) {
            list_del_init(node);
        }
        __set_current_state(TASK_RUNNING);
        dma_fence_unlock_irqrestore(fence, flags);
        ret
    }
}

/// Waits until the fence has signalled or `timeout` jiffies have passed; enables signalling.
/// May sleep.
///
/// Returns what the `wait` op returns, or else [`dma_fence_default_wait`]; -EINVAL, with a warning,
/// for a negative timeout. Emits `dma_fence_wait_start` and `dma_fence_wait_end`.
#[track_caller]
pub unsafe fn dma_fence_wait_timeout(fence: *mut dma_fence, intr: bool, timeout: c_long) -> c_long {
    contract::needs_reference!(fence, "dma_fence_wait_timeout", -(EINVAL as c_long));
    if WARN_ON!(timeout < 0) {
        return -(EINVAL as c_long);
    }
    // SAFETY: It looks at the context of this thread, and has no preconditions.
    unsafe { might_sleep() };
    // SAFETY: The caller has a reference and does not hold the lock. Ops with `wait` stay attached as long as the fence
    // lives, so they may be used outside of the section.
    unsafe {
        __dma_fence_might_wait();
        enable_signaling(fence);

        rcu_read_lock();
        let wait = live(fence).ops().and_then(|ops| ops.as_ref().wait);
        trace_dma_fence_wait_start(fence);
        rcu_read_unlock();
        contract::wait_begin(fence.cast());
        let ret = match wait {
            Some(wait) => wait(fence, intr, timeout),
            None => default_wait(fence, intr, timeout),
        };
        contract::wait_end(fence.cast());
        if timeout == MAX_SCHEDULE_TIMEOUT {
            has_waited();
        }
        if trace_dma_fence_wait_end_enabled() {
            rcu_read_lock();
            trace_dma_fence_wait_end(fence);
            rcu_read_unlock();
        }
        ret
    }
}

/// Waits until the fence has signalled: 0, or -ERESTARTSYS if `intr` and a signal came. May sleep.
#[track_caller]
pub unsafe fn dma_fence_wait(fence: *mut dma_fence, intr: bool) -> c_long {
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe { dma_fence_wait_timeout(fence, intr, MAX_SCHEDULE_TIMEOUT) }.min(0)
}
