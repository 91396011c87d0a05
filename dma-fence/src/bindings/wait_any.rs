// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for the first of several fences.

use super::{
    super::contract,
    dma_fence, dma_fence_add_callback, dma_fence_is_signaled, dma_fence_remove_callback,
    fence::{live, SIGNALED},
    wait::{default_wait_cb, dma_fence_default_wait_cb, sleeping},
};
use core::{
    ptr::{addr_of_mut, null},
    slice,
};
use kernel::{
    bindings::{
        get_current, kfree, krealloc_node_align, schedule_timeout, set_current_state,
        signal_pending, __GFP_ZERO, EINVAL, ENOMEM, ERESTARTSYS, GFP_KERNEL, NUMA_NO_NODE,
        TASK_RUNNING,
    },
    ffi::c_long,
    WARN_ON,
};

/// Waits until one of the fences has signalled or `timeout` jiffies have passed; enables
/// signalling. May sleep.
///
/// Returns the jiffies that are left, and in `idx`, if that is not null, the lowest index of one
/// that has signalled; 0 if none are left, even if one has signalled in the last; -ERESTARTSYS if
/// `intr` and a signal came; -ENOMEM; and -EINVAL, with a warning, without fences or for a negative
/// timeout. A timeout of 0 polls each, and enables nothing.
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
    // SAFETY: There are `count` of them.
    let fences = unsafe { slice::from_raw_parts(fences, count as usize) };
    for fence in fences {
        contract::needs_fence!(*fence, "dma_fence_wait_any_timeout", -(EINVAL as c_long));
    }
    // SAFETY: It is null or valid for writes.
    let idx = unsafe { idx.as_mut() };
    let mut found = None;
    let ret = if timeout == 0 {
        // SAFETY: The caller has references to the fences.
        found = fences
            .iter()
            .position(|fence| unsafe { dma_fence_is_signaled(*fence) });
        found.is_some().into()
    } else {
        // SAFETY: The caller has references to the fences, and does not hold their locks.
        unsafe { wait_any(fences, intr, timeout, &mut found) }
    };
    if let (Some(idx), Some(found)) = (idx, found) {
        // CAST: It is less than `count`.
        *idx = found as u32;
    }
    ret
}

/// As [`dma_fence_wait_any_timeout`], with a timeout; stores an index in `found`.
#[track_caller]
unsafe fn wait_any(
    fences: &[*mut dma_fence],
    intr: bool,
    timeout: c_long,
    found: &mut Option<usize>,
) -> c_long {
    let Some(size) = size_of::<default_wait_cb>().checked_mul(fences.len()) else {
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
        while added < fences.len() && found.is_none() {
            let cb = cb.add(added);
            (*cb).task = get_current();
            let base = addr_of_mut!((*cb).base);
            if dma_fence_add_callback(fences[added], base, Some(dma_fence_default_wait_cb)) == 0 {
                added += 1;
            } else {
                *found = Some(added);
            }
        }
        if found.is_none() {
            contract::wait_any_begin(fences);
            while ret > 0 {
                set_current_state(sleeping(intr));
                *found = fences.iter().position(|fence| live(*fence).test(SIGNALED));
                if found.is_some() {
                    break;
                }
                ret = schedule_timeout(ret);
                if ret > 0 && intr && signal_pending(get_current()) != 0 {
                    ret = -(ERESTARTSYS as c_long);
                }
            }
            contract::wait_any_end(fences);
            set_current_state(TASK_RUNNING);
        }
        for (n, fence) in fences[..added].iter().enumerate().rev() {
            dma_fence_remove_callback(*fence, addr_of_mut!((*cb.add(n)).base));
        }
        kfree(cb.cast());
        ret
    }
}
