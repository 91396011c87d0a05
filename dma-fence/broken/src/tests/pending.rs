// SPDX-License-Identifier: GPL-2.0-only
//! Fences that do not signal.

use super::{broken, finish, silent, with_job};
use crate::exporter::Timeline;
use ::dma_fence::bindings::{dma_fence_get, dma_fence_put, dma_fence_wait_timeout};
use kernel::{
    bindings::synchronize_rcu,
    time::{delay::fsleep, Delta},
};

const RULE: &str = "signal-eventually";

#[test]
fn pending_for_too_long() {
    broken(RULE, "pending for 121 seconds", || {
        with_job(|timeline, fence| {
            // SAFETY: The references are ours.
            unsafe {
                dma_fence_put(dma_fence_get(fence));
            }
            fsleep(Delta::from_secs(121));
            finish(timeline, fence);
        });
    });
    silent(|| {
        with_job(|timeline, fence| {
            // SAFETY: The references are ours.
            unsafe {
                dma_fence_put(dma_fence_get(fence));
            }
            fsleep(Delta::from_secs(119));
            finish(timeline, fence);
        });
    });
}

#[test]
fn a_wait_that_gives_up_is_late_enough() {
    broken(RULE, "pending for", || {
        with_job(|timeline, fence| {
            // SAFETY: The references are ours. 1000 seconds, in jiffies.
            unsafe { dma_fence_wait_timeout(fence, false, 250_000) };
            finish(timeline, fence);
        });
    });
}

#[test]
fn a_private_fence_may_wait() {
    silent(|| {
        with_job(|timeline, fence| {
            fsleep(Delta::from_secs(1000));
            finish(timeline, fence);
        });
    });
}

#[test]
fn released_without_a_signal() {
    broken(RULE, "released without a signal", || {
        with_job(|timeline, fence| {
            // SAFETY: The references are ours.
            unsafe {
                let shared = dma_fence_get(fence);
                dma_fence_put(fence);
                dma_fence_put(shared);
                synchronize_rcu();
                Timeline::free(timeline);
            }
        });
    });
}

#[test]
fn no_task_is_left_to_signal() {
    broken(RULE, "no task is left", || {
        with_job(|_timeline, fence| {
            // SAFETY: The reference is ours.
            unsafe { dma_fence_get(fence) };
        });
    });
}

#[test]
fn a_waiter_that_waits_forever_is_told_for_what() {
    broken(RULE, "no task is left", || {
        with_job(|_timeline, fence| {
            // SAFETY: The references are ours.
            unsafe { ::dma_fence::bindings::dma_fence_wait(fence, false) };
        });
    });
}
