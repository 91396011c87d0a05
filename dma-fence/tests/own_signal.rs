// SPDX-License-Identifier: GPL-2.0-only
//! A driver that sets the bits of a signal itself, as i915 does, while others signal its fence.
#![cfg(feature = "debug")]

use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_cb, dma_fence_ops};
use core::ptr::{addr_of_mut, null_mut};
use kernel::{
    bindings::{kfree, kzalloc_obj, list_head, list_replace, GFP_KERNEL, INIT_LIST_HEAD},
    ffi::c_char,
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
    testing::{explore, spawn, without_checks},
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const SIGNALED: usize = 1 << c::dma_fence_flag_bits_DMA_FENCE_FLAG_SIGNALED_BIT;
const TIMESTAMP: usize = 1 << c::dma_fence_flag_bits_DMA_FENCE_FLAG_TIMESTAMP_BIT;
/// A time that no clock shows.
const THEN: i64 = 7;

static CALLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn name(_fence: *mut dma_fence) -> *const c_char {
    c"name".as_char_ptr()
}

extern "C" fn called(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
    CALLED.fetch_add(1, SeqCst);
}

/// `test_and_set_bit()`.
///
/// # Safety
///
/// There is a reference to the fence.
unsafe fn test_and_set(fence: *mut dma_fence, bit: usize) -> bool {
    // SAFETY: The flags are only accessed atomically.
    let flags = unsafe { Atomic::<usize>::from_ptr(addr_of_mut!((*fence).flags).cast()) };
    let mut seen = flags.load(Relaxed);
    while let Err(others) = flags.cmpxchg(seen, seen | bit, Full) {
        seen = others;
    }
    seen & bit != 0
}

/// Signals: the first bit is set without the lock, the rest is done under it.
///
/// # Safety
///
/// There is a reference to the fence.
unsafe fn signal(fence: *mut dma_fence) {
    // SAFETY: As the caller says. The list is that of the driver which has set the bit.
    unsafe {
        if test_and_set(fence, SIGNALED) {
            return;
        }
        let mut list = list_head {
            next: null_mut(),
            prev: null_mut(),
        };
        let list = &raw mut list;
        let flags = c::dma_fence_lock_irqsave(fence);
        list_replace(addr_of_mut!((*fence).__bindgen_anon_2.cb_list), list);
        addr_of_mut!((*fence).__bindgen_anon_2.timestamp).write(THEN);
        test_and_set(fence, TIMESTAMP);
        while (*list).next != list {
            let node = (*list).next;
            (*list).next = (*node).next;
            INIT_LIST_HEAD(node);
            let cb: *mut dma_fence_cb = node.cast();
            (*cb).func.expect("a callback")(fence, cb);
        }
        c::dma_fence_unlock_irqrestore(fence, flags);
    }
}

#[test]
fn one_of_two_signals_calls_the_callbacks() {
    static OPS: dma_fence_ops = dma_fence_ops {
        get_driver_name: Some(name),
        get_timeline_name: Some(name),
        ..pin_init::zeroed()
    };
    explore(|| {
        // They are not told of a bit that a driver sets.
        without_checks(|| {
            CALLED.store(0, SeqCst);
            // SAFETY: Each task has a reference; the callback goes after the wait and its call.
            unsafe {
                let fence = kzalloc_obj::<dma_fence>(GFP_KERNEL);
                c::dma_fence_init(fence, &OPS, null_mut(), 1, 1);
                let cb = kzalloc_obj::<dma_fence_cb>(GFP_KERNEL);
                c::dma_fence_add_callback(fence, cb, Some(called));
                let [its, ours] = [fence, fence].map(|fence| c::dma_fence_get(fence) as usize);
                spawn(move || {
                    signal(its as *mut dma_fence);
                    c::dma_fence_put(its as *mut dma_fence);
                });
                spawn(move || {
                    c::dma_fence_signal(ours as *mut dma_fence);
                    c::dma_fence_put(ours as *mut dma_fence);
                });
                c::dma_fence_wait(fence, false);
                let first = c::dma_fence_timestamp(fence);
                let flags = c::dma_fence_lock_irqsave(fence);
                assert_eq!(CALLED.load(SeqCst), 1);
                assert_eq!(c::dma_fence_timestamp(fence), first);
                c::dma_fence_unlock_irqrestore(fence, flags);
                kfree(cb.cast());
                c::dma_fence_put(fence);
            }
        });
    });
}
