// SPDX-License-Identifier: GPL-2.0-only
//! The memory of fences, of their locks and timelines.

use super::{broken, finish, silent, with_job};
use crate::exporter::{job, job_with, zeroed, Timeline, OPS};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_init, dma_fence_ops, dma_fence_put, dma_fence_signal,
};
use kernel::bindings::{kfree, synchronize_rcu};

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
