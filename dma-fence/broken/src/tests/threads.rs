// SPDX-License-Identifier: GPL-2.0-only
//! Threads that run freely: they have no machine of their own, so that a report would end this
//! process with status 1.

use super::std::thread;
use crate::exporter::{job, pending_job, timeline_of, zeroed, Timeline, OPS};
use ::dma_fence::bindings::{
    callback_head, dma_fence, dma_fence_get, dma_fence_get_rcu, dma_fence_init, dma_fence_ops,
    dma_fence_put, dma_fence_signal, dma_fence_test_signaled_flag,
};
use core::{
    ptr::null_mut,
    sync::atomic::{
        AtomicBool, AtomicPtr,
        Ordering::{Acquire, Release},
    },
};
use kernel::{
    bindings::{
        call_rcu, complete, completion, init_completion, kfree, kmem_cache, kmem_cache_alloc,
        kmem_cache_create, kmem_cache_destroy, kmem_cache_free, rcu_read_lock, rcu_read_unlock,
        synchronize_rcu, wait_for_completion, GFP_KERNEL, SLAB_TYPESAFE_BY_RCU,
    },
    error::Result,
    str::CStrExt as _,
};

#[test]
fn after_the_bit_one_may_wait_and_free() {
    static SHARED: AtomicPtr<dma_fence> = AtomicPtr::new(null_mut());
    const ROUNDS: usize = 300;
    thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..ROUNDS {
                let fence = loop {
                    let fence = SHARED.swap(null_mut(), Acquire);
                    if !fence.is_null() {
                        break fence;
                    }
                    thread::yield_now();
                };
                // SAFETY: The reference is ours, and the other thread does not use the timeline.
                unsafe {
                    while !dma_fence_test_signaled_flag(fence) {
                        core::hint::spin_loop();
                    }
                    let timeline = timeline_of(fence);
                    synchronize_rcu();
                    Timeline::free(timeline);
                    dma_fence_put(fence);
                }
            }
        });
        for _ in 0..ROUNDS {
            let fence = Timeline::new()
                .and_then(|timeline| job(timeline, 1))
                .unwrap();
            // SAFETY: The references are ours, and the other thread's.
            unsafe {
                SHARED.store(dma_fence_get(fence), Release);
                dma_fence_signal(fence);
                dma_fence_put(fence);
            }
            while !SHARED.load(Acquire).is_null() {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn a_thread_that_a_callback_of_rcu_wakes_may_free() -> Result {
    #[repr(C)]
    struct Waiting {
        rcu: callback_head,
        done: completion,
    }
    static FREED: AtomicBool = AtomicBool::new(false);

    /// # Safety
    ///
    /// `head` is that of a [`Waiting`].
    unsafe extern "C" fn wake(head: *mut callback_head) {
        // SAFETY: The head is the first member of a `Waiting`.
        unsafe { complete(&raw mut (*head.cast::<Waiting>()).done) };
        // The callback has more to do.
        while !FREED.load(Acquire) {
            thread::yield_now();
        }
    }

    let waiting = zeroed::<Waiting>()?;
    let (timeline, fence) = pending_job()?;
    // SAFETY: All of this is ours; at the end the callback has returned.
    unsafe {
        init_completion(&raw mut (*waiting).done);
        dma_fence_signal(fence);
        call_rcu(&raw mut (*waiting).rcu, Some(wake));
        wait_for_completion(&raw mut (*waiting).done);
        Timeline::free(timeline);
        dma_fence_put(fence);
        FREED.store(true, Release);
        kernel::testing::memory::rcu_barrier();
        kfree(waiting.cast());
    }
    Ok(())
}

/// The memory of a fence is that of the next one at once, and readers may find it at any moment: it is a
/// fence all the time.
#[test]
fn type_stable_memory_is_always_a_fence() {
    static CACHE: AtomicPtr<kmem_cache> = AtomicPtr::new(null_mut());
    static SLOT: AtomicPtr<dma_fence> = AtomicPtr::new(null_mut());
    const ROUNDS: u64 = 3_000;

    /// # Safety
    ///
    /// The last reference was dropped.
    unsafe extern "C" fn release(fence: *mut dma_fence) {
        // SAFETY: It comes from there, and only readers use it.
        unsafe { kmem_cache_free(CACHE.load(Acquire), fence.cast()) };
    }
    static STABLE: dma_fence_ops = dma_fence_ops {
        release: Some(release),
        ..OPS
    };

    // SAFETY: The cache is ours.
    let cache = unsafe {
        let size = size_of::<dma_fence>() as u32;
        kmem_cache_create(c"fences".as_char_ptr(), size, 8, SLAB_TYPESAFE_BY_RCU)
    };
    CACHE.store(cache, Release);
    let done = AtomicBool::new(false);
    thread::scope(|s| {
        s.spawn(|| {
            while !done.load(Acquire) {
                // SAFETY: Inside a read-side section; the reference is ours.
                unsafe {
                    rcu_read_lock();
                    let fence = SLOT.load(Acquire);
                    for _ in 0..if fence.is_null() { 0 } else { 100 } {
                        dma_fence_put(dma_fence_get_rcu(fence));
                    }
                    rcu_read_unlock();
                }
            }
        });
        for seqno in 1..=ROUNDS {
            // SAFETY: The object is ours until it is in the slot; then the reference is.
            unsafe {
                let fence: *mut dma_fence = kmem_cache_alloc(cache, GFP_KERNEL).cast();
                dma_fence_init(fence, &raw const STABLE, null_mut(), 1, seqno);
                SLOT.store(fence, Release);
                dma_fence_signal(fence);
                dma_fence_put(fence);
            }
        }
        done.store(true, Release);
    });
    // SAFETY: Nothing of it is used any more.
    unsafe { kmem_cache_destroy(cache) };
}
