// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for the first of several fences.

use super::{
    dma_fence, dma_fence_add_callback, dma_fence_is_signaled, dma_fence_remove_callback,
    dma_fence_test_signaled_flag,
    wait::{default_wait_cb, dma_fence_default_wait_cb, sleeping},
};
use core::ptr::{addr_of_mut, null};
use kernel::{
    bindings::{
        get_current, kfree, krealloc_node_align, schedule_timeout, set_current_state,
        signal_pending, __GFP_ZERO, EINVAL, ENOMEM, ERESTARTSYS, GFP_KERNEL, NUMA_NO_NODE,
        TASK_RUNNING,
    },
    ffi::c_long,
    WARN_ON,
};

/// Stores the index of the first of `fences` for which `signaled` returns true.
///
/// # Safety
///
/// As [`dma_fence_wait_any_timeout`].
unsafe fn find(
    fences: *mut *mut dma_fence,
    count: u32,
    idx: *mut u32,
    signaled: impl Fn(*mut dma_fence) -> bool,
) -> bool {
    for i in 0..count {
        // SAFETY: There are `count` fences: the caller's guarantee.
        if signaled(unsafe { *fences.add(i as usize) }) {
            // SAFETY: `idx` is null or valid: the caller's guarantee.
            unsafe { set(idx, i) };
            return true;
        }
    }
    false
}

/// # Safety
///
/// `idx` is null or valid for writes.
unsafe fn set(idx: *mut u32, i: u32) {
    if !idx.is_null() {
        // SAFETY: It is valid for writes: the caller's guarantee.
        unsafe { idx.write(i) };
    }
}

/// Waits until one of the fences has signalled or `timeout` jiffies have passed; enables
/// signalling. Sleeps.
///
/// Returns the jiffies that are left, and in `idx`, if that is not null, the lowest index of one
/// that has signalled; 0 if none has; -ERESTARTSYS if `intr` and a signal came; -ENOMEM; and
/// -EINVAL, with a warning, without fences or for a negative timeout. A timeout of 0 polls each,
/// and enables nothing.
///
/// # Safety
///
/// There are `count` fences; `idx` is null or valid for writes.
#[track_caller]
pub unsafe fn dma_fence_wait_any_timeout(
    fences: *mut *mut dma_fence,
    count: u32,
    intr: bool,
    timeout: c_long,
    idx: *mut u32,
) -> c_long {
    if WARN_ON!(fences.is_null() || count == 0 || timeout < 0) {
        return -(EINVAL as c_long);
    }
    if timeout == 0 {
        // SAFETY: The caller has references to the fences.
        let is_signaled = |fence| unsafe { dma_fence_is_signaled(fence) };
        // SAFETY: The caller's guarantees are the same.
        return unsafe { find(fences, count, idx, is_signaled) }.into();
    }

    let Some(size) = size_of::<default_wait_cb>().checked_mul(count as usize) else {
        return -(ENOMEM as c_long);
    };
    // SAFETY: There is no block to replace.
    let cb: *mut default_wait_cb = unsafe {
        krealloc_node_align(
            null(),
            size,
            align_of::<default_wait_cb>(),
            GFP_KERNEL | __GFP_ZERO,
            NUMA_NO_NODE,
        )
    }
    .cast();
    if cb.is_null() {
        return -(ENOMEM as c_long);
    }

    // SAFETY: The caller has references to the fences; every callback that was added is removed
    // before the memory goes.
    unsafe {
        let mut ret = timeout;
        let mut added = 0;
        let mut signaled = false;
        while added < count && !signaled {
            let (fence, cb) = (*fences.add(added as usize), cb.add(added as usize));
            (*cb).task = get_current();
            let base = addr_of_mut!((*cb).base);
            if dma_fence_add_callback(fence, base, Some(dma_fence_default_wait_cb)) == 0 {
                added += 1;
            } else {
                set(idx, added);
                signaled = true;
            }
        }
        if !signaled {
            while ret > 0 {
                set_current_state(sleeping(intr));
                if find(fences, count, idx, |fence| {
                    dma_fence_test_signaled_flag(fence)
                }) {
                    break;
                }
                ret = schedule_timeout(ret);
                if ret > 0 && intr && signal_pending(get_current()) != 0 {
                    ret = -(ERESTARTSYS as c_long);
                }
            }
            set_current_state(TASK_RUNNING);
        }
        while added > 0 {
            added -= 1;
            let cb = cb.add(added as usize);
            dma_fence_remove_callback(*fences.add(added as usize), addr_of_mut!((*cb).base));
        }
        kfree(cb.cast());
        ret
    }
}
