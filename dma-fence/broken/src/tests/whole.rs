// SPDX-License-Identifier: GPL-2.0-only
//! The memory of fences, of their locks and timelines.

use super::std::thread;
use super::{broken, finish, silent, with_job};
use crate::exporter::{job, job_with, tell, zeroed, Timeline, Waiter, OPS};
use ::dma_fence::bindings::{
    callback_head, dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_get, dma_fence_init,
    dma_fence_ops, dma_fence_put, dma_fence_remove_callback, dma_fence_signal,
    dma_fence_test_signaled_flag,
};
use core::sync::atomic::{
    AtomicBool, AtomicPtr,
    Ordering::{Acquire, Release},
};
use kernel::bindings::{
    call_rcu, complete, completion, init_completion, kfree, krealloc_node_align, synchronize_rcu,
    wait_for_completion, __GFP_ZERO, GFP_KERNEL, NUMA_NO_NODE,
};

const RULE: &str = "grace-period-before-free";

#[test]
fn the_fence_itself_goes_through_rcu() {
    /// # Safety
    ///
    /// The last reference is gone.
    unsafe extern "C" fn release(fence: *mut dma_fence) {
        // SAFETY: By the safety requirements; but readers may have found it.
        unsafe { kfree(fence.cast()) };
    }
    static AT_ONCE: dma_fence_ops = dma_fence_ops {
        release: Some(release),
        ..OPS
    };
    broken(RULE, "memory of the fence freed", || {
        let timeline = Timeline::new().unwrap();
        let fence = job_with(timeline, 1, &AT_ONCE, core::ptr::null_mut()).unwrap();
        finish(timeline, fence);
    });
}

#[test]
fn many_fences_are_one_report() {
    broken(RULE, "private data", || {
        let timeline = Timeline::new().unwrap();
        let fences = [1, 2, 3].map(|seqno| job(timeline, seqno).unwrap());
        // SAFETY: The references are ours.
        unsafe {
            for fence in fences {
                dma_fence_signal(fence);
            }
            Timeline::free(timeline);
            for fence in fences {
                dma_fence_put(fence);
            }
        }
    });
}

#[test]
fn a_fence_that_was_given_up_reaches_nothing() {
    silent(|| {
        with_job(|timeline, fence| {
            // SAFETY: The reference is ours, and the only one.
            unsafe {
                dma_fence_put(fence);
                Timeline::free(timeline);
            }
        });
    });
}

#[test]
fn a_lock_may_go_with_its_fence() {
    #[repr(C)]
    struct Both {
        base: dma_fence,
        lock: kernel::bindings::spinlock_t,
    }
    silent(|| {
        let timeline = Timeline::new().unwrap();
        let both = zeroed::<Both>().unwrap();
        // SAFETY: Fresh memory, and a lock that is all zeroes is open.
        unsafe {
            let fence = &raw mut (*both).base;
            dma_fence_init(fence, &OPS, &raw mut (*both).lock, 1, 1);
            finish(timeline, fence);
        }
    });
}

#[test]
fn what_is_over_is_forgotten() {
    silent(|| {
        for _ in 0..1000 {
            let timeline = Timeline::new().unwrap();
            for seqno in 1..=10 {
                let fence = job(timeline, seqno).unwrap();
                // SAFETY: The reference is ours.
                unsafe {
                    dma_fence_signal(fence);
                    dma_fence_put(fence);
                }
            }
            // SAFETY: All of its fences are gone.
            unsafe {
                synchronize_rcu();
                Timeline::free(timeline);
            }
        }
        assert!(::dma_fence::testing::known_fences() < 50);
    });
}

#[test]
fn what_a_callback_is_linked_to_belongs_to_others() {
    /// A fence that follows another's.
    #[repr(C)]
    struct Proxy {
        base: dma_fence,
        cb: dma_fence_cb,
    }
    silent(|| {
        with_job(|timeline, parent| {
            let proxy = zeroed::<Proxy>().unwrap();
            let other = zeroed::<Waiter>().unwrap();
            // SAFETY: All of this is ours.
            unsafe {
                let fence = &raw mut (*proxy).base;
                dma_fence_init(fence, &OPS, core::ptr::null_mut(), 1, 1);
                dma_fence_add_callback(parent, &raw mut (*proxy).cb, Some(tell_nobody));
                dma_fence_add_callback(parent, &raw mut (*other).cb, Some(tell));
                // It has waited for long enough.
                dma_fence_signal(fence);
                dma_fence_remove_callback(parent, &raw mut (*proxy).cb);
                dma_fence_remove_callback(parent, &raw mut (*other).cb);
                kfree(other.cast());
                dma_fence_put(fence);
            }
            finish(timeline, parent);
        });
    });
}

/// # Safety
///
/// None.
unsafe extern "C" fn tell_nobody(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {}

/// Threads that run freely have no machine of their own: a report would end this process with
/// status 1.
#[test]
fn who_sees_the_bit_may_wait_and_free() {
    static SHARED: AtomicPtr<dma_fence> = AtomicPtr::new(core::ptr::null_mut());
    const ROUNDS: usize = 300;
    thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..ROUNDS {
                let fence = loop {
                    let fence = SHARED.swap(core::ptr::null_mut(), Acquire);
                    if !fence.is_null() {
                        break fence;
                    }
                    thread::yield_now();
                };
                // SAFETY: The reference is ours, and who signals does not use the timeline.
                unsafe {
                    while !dma_fence_test_signaled_flag(fence) {
                        core::hint::spin_loop();
                    }
                    let timeline = crate::exporter::timeline_of(fence);
                    synchronize_rcu();
                    Timeline::free(timeline);
                    dma_fence_put(fence);
                }
            }
        });
        for _ in 0..ROUNDS {
            with_job(|_timeline, fence| {
                // SAFETY: The references are ours, and the other thread's.
                unsafe {
                    SHARED.store(dma_fence_get(fence), Release);
                    dma_fence_signal(fence);
                    dma_fence_put(fence);
                }
                while !SHARED.load(Acquire).is_null() {
                    thread::yield_now();
                }
            });
        }
    });
}

/// As above.
#[test]
fn whom_a_callback_of_rcu_wakes_may_free() {
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
        // SAFETY: By the safety requirements.
        unsafe { complete(&raw mut (*head.cast::<Waiting>()).done) };
        // The callback has more to do.
        while !FREED.load(Acquire) {
            thread::yield_now();
        }
    }

    let waiting = zeroed::<Waiting>().unwrap();
    with_job(|timeline, fence| {
        // SAFETY: All of this is ours.
        unsafe {
            init_completion(&raw mut (*waiting).done);
            dma_fence_signal(fence);
            call_rcu(&raw mut (*waiting).rcu, Some(wake));
            wait_for_completion(&raw mut (*waiting).done);
            Timeline::free(timeline);
            dma_fence_put(fence);
        }
    });
    FREED.store(true, Release);
    kernel::testing::memory::rcu_barrier();
    // SAFETY: The callback has returned.
    unsafe { kfree(waiting.cast()) };
}

#[test]
fn before_anybody_knows_of_it_data_may_come_and_go() {
    /// A job whose commands are still being written.
    #[repr(C)]
    struct Job {
        base: dma_fence,
        commands: *mut u64,
    }
    for cleared in [true, false] {
        let body = || {
            let job = zeroed::<Job>().unwrap();
            // SAFETY: All of this is ours.
            unsafe {
                let fence = &raw mut (*job).base;
                (*job).commands = zeroed::<u64>().unwrap();
                dma_fence_init(fence, &OPS, core::ptr::null_mut(), 1, 1);
                kfree((*job).commands.cast());
                if cleared {
                    (*job).commands = core::ptr::null_mut();
                }
                dma_fence_signal(fence);
                dma_fence_put(fence);
            }
        };
        if cleared {
            silent(body);
        } else {
            broken(RULE, "freed although the fence had not signalled", body);
        }
    }
}

#[test]
fn strings_are_of_any_length() {
    #[repr(C)]
    struct Named {
        base: dma_fence,
        ring: *mut *mut u8,
    }
    for length in 1..20 {
        broken(RULE, "string of the private data", || {
            let fence = zeroed::<Named>().unwrap();
            let ring = zeroed::<*mut u8>().unwrap();
            // SAFETY: All of this is ours; the string ends with the block.
            unsafe {
                let flags = GFP_KERNEL | __GFP_ZERO;
                let none = core::ptr::null();
                let name = krealloc_node_align(none, length + 1, 1, flags, NUMA_NO_NODE);
                core::ptr::write_bytes(name.cast::<u8>(), b'x', length);
                ring.write(name.cast());
                (*fence).ring = ring;
                let base = &raw mut (*fence).base;
                dma_fence_init(base, &OPS, core::ptr::null_mut(), 1, 1);
                dma_fence_signal(base);
                kfree(name);
                dma_fence_put(base);
                synchronize_rcu();
                kfree(ring.cast());
            }
        });
    }
}
