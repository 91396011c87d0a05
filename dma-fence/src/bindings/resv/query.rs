// SPDX-License-Identifier: GPL-2.0-only
//! What is asked of, or done to, all fences of a reservation object, by tasks without its lock.

use super::{
    dma_fence, dma_fence_get, dma_fence_put, dma_resv, dma_resv_iter, dma_resv_iter_begin,
    dma_resv_iter_end, dma_resv_iter_first, dma_resv_iter_first_unlocked,
    dma_resv_iter_is_restarted, dma_resv_iter_next, dma_resv_iter_next_unlocked,
    dma_resv_iter_usage, dma_resv_usage, dma_resv_usage_DMA_RESV_USAGE_READ, KMALLOC_MAX_SIZE,
};
use crate::bindings::{
    dma_fence_array_create, dma_fence_context_alloc, dma_fence_describe, dma_fence_set_deadline,
    dma_fence_wait_timeout,
};
use core::{ops::ControlFlow, ptr::null_mut};
use kernel::{
    bindings::{
        kfree, krealloc_node_align, ktime_t, seq_file, seq_vprintf, ENOMEM, GFP_KERNEL,
        NUMA_NO_NODE,
    },
    ffi::{c_int, c_long, c_uint, c_ulong},
};

/// Calls `f` with each fence of the usage that has not signalled, until it breaks.
///
/// C: `dma_resv_for_each_fence_unlocked()`.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn for_each<B>(
    obj: *mut dma_resv,
    usage: dma_resv_usage,
    mut f: impl FnMut(&mut dma_resv_iter, *mut dma_fence) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut cursor = dma_resv_iter::new();
    // SAFETY: The object is initialised. The reading ends here.
    unsafe {
        dma_resv_iter_begin(&mut cursor, obj, usage);
        let mut flow = ControlFlow::Continue(());
        let mut fence = dma_resv_iter_first_unlocked(&mut cursor);
        while !fence.is_null() && flow.is_continue() {
            flow = f(&mut cursor, fence);
            if flow.is_continue() {
                fence = dma_resv_iter_next_unlocked(&mut cursor);
            }
        }
        dma_resv_iter_end(&mut cursor);
        flow
    }
}

/// Stores a reference to each fence of the usage that has not signalled, in memory for `kfree()`, or
/// null if there is none; 0, or -ENOMEM. May sleep.
///
/// # Safety
///
/// `num_fences` and `fences` are valid for writes.
#[track_caller]
pub unsafe fn dma_resv_get_fences(
    obj: *mut dma_resv,
    usage: dma_resv_usage,
    num_fences: *mut c_uint,
    fences: *mut *mut *mut dma_fence,
) -> c_int {
    // SAFETY: Both are valid for writes. What the memory has are references of this call's.
    unsafe {
        *num_fences = 0;
        *fences = null_mut();
        let flow = for_each(obj, usage, |cursor, fence| {
            if dma_resv_iter_is_restarted(cursor) {
                while *num_fences != 0 {
                    *num_fences -= 1;
                    dma_fence_put(*(*fences).add(*num_fences as usize));
                }
                let new = resize(*fences, cursor.num_fences + 1);
                if new.is_null() {
                    kfree((*fences).cast());
                    *fences = null_mut();
                    return ControlFlow::Break(-(ENOMEM as c_int));
                }
                *fences = new;
            }
            (*fences)
                .add(*num_fences as usize)
                .write(dma_fence_get(fence));
            *num_fences += 1;
            ControlFlow::Continue(())
        });
        flow.break_value().unwrap_or(0)
    }
}

/// Makes the memory one for so many fences; null without memory. May sleep.
///
/// # Safety
///
/// `fences` is null or comes from here.
#[track_caller]
unsafe fn resize(fences: *mut *mut dma_fence, count: c_uint) -> *mut *mut dma_fence {
    let size = size_of::<*mut dma_fence>().checked_mul(count as usize);
    let Some(size) = size.filter(|size| *size <= KMALLOC_MAX_SIZE) else {
        return null_mut();
    };
    let align = align_of::<*mut dma_fence>();
    // SAFETY: The memory is null or comes from here.
    unsafe { krealloc_node_align(fences.cast(), size, align, GFP_KERNEL, NUMA_NO_NODE) }.cast()
}

/// Stores a reference to a fence that stands for all of the usage that have not signalled: the only
/// one, or a new array, or null if there is none; 0, or -ENOMEM. May sleep.
///
/// # Safety
///
/// `fence` is valid for writes.
#[track_caller]
pub unsafe fn dma_resv_get_singleton(
    obj: *mut dma_resv,
    usage: dma_resv_usage,
    fence: *mut *mut dma_fence,
) -> c_int {
    let (mut count, mut fences) = (0, null_mut());
    // SAFETY: `fence` is valid for writes. The array takes over the memory and the references; they are
    // this call's if there is none.
    unsafe {
        let ret = dma_resv_get_fences(obj, usage, &mut count, &mut fences);
        if ret != 0 {
            return ret;
        }
        if count <= 1 {
            *fence = if count == 0 { null_mut() } else { *fences };
            kfree(fences.cast());
            return 0;
        }
        let context = dma_fence_context_alloc(1);
        let array = dma_fence_array_create(count.cast_signed(), fences, context, 1);
        if array.is_null() {
            (0..count as usize).for_each(|n| dma_fence_put(*fences.add(n)));
            kfree(fences.cast());
            return -(ENOMEM as c_int);
        }
        *fence = array.cast();
        0
    }
}

/// Waits for each fence of the usage in turn, at most `timeout` jiffies; enables signalling. May sleep.
///
/// Returns the jiffies that are left, at least 1, even for a timeout of 0 if all have signalled; 0 if
/// time has run out; -ERESTARTSYS if `intr` and a signal came.
#[track_caller]
pub unsafe fn dma_resv_wait_timeout(
    obj: *mut dma_resv,
    usage: dma_resv_usage,
    intr: bool,
    timeout: c_ulong,
) -> c_long {
    // CAST: As in C, where a long is what is waited for.
    let mut left = timeout as c_long;
    // SAFETY: The object is initialised; the fences have references.
    let flow = unsafe {
        for_each(obj, usage, |_, fence| {
            let ret = dma_fence_wait_timeout(fence, intr, left);
            if ret <= 0 {
                return ControlFlow::Break(ret);
            }
            // What was not to be waited for is not waited for later either.
            if left != 0 {
                left = ret;
            }
            ControlFlow::Continue(())
        })
    };
    flow.break_value()
        .unwrap_or(if left == 0 { 1 } else { left })
}

/// Tells the drivers of all fences of the usage that a waiter hopes for them by `deadline` (ns,
/// `CLOCK_MONOTONIC`).
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_set_deadline(obj: *mut dma_resv, usage: dma_resv_usage, deadline: ktime_t) {
    // SAFETY: The object is initialised; the fences have references.
    unsafe {
        let _ = for_each(obj, usage, |_, fence| {
            dma_fence_set_deadline(fence, deadline);
            ControlFlow::<()>::Continue(())
        });
    }
}

/// True if all fences of the usage have signalled.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_test_signaled(obj: *mut dma_resv, usage: dma_resv_usage) -> bool {
    // SAFETY: The object is initialised.
    unsafe { for_each(obj, usage, |_, _| ControlFlow::Break(())) }.is_continue()
}

/// Writes a line for each fence that implicit synchronisation waits for.
///
/// # Safety
///
/// `seq` is a valid file, and the task holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_describe(obj: *mut dma_resv, seq: *mut seq_file) {
    const USAGES: [&str; 4] = ["kernel", "write", "read", "bookkeep"];
    let mut cursor = dma_resv_iter::new();
    // SAFETY: `seq` is valid, and the task holds the lock. The cursor needs no end then.
    unsafe {
        dma_resv_iter_begin(&mut cursor, obj, dma_resv_usage_DMA_RESV_USAGE_READ);
        let mut fence = dma_resv_iter_first(&mut cursor);
        while !fence.is_null() {
            let usage = USAGES[dma_resv_iter_usage(&mut cursor) as usize];
            seq_vprintf(seq, format_args!("\t{usage} fence:"));
            dma_fence_describe(fence, seq);
            fence = dma_resv_iter_next(&mut cursor);
        }
    }
}
