// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose fences share the lock of their timeline.

use crate::exporter::{job_with, Timeline, OPS};
use ::dma_fence::bindings::{dma_fence_get, dma_fence_put, dma_fence_signal};
use kernel::{bindings::synchronize_rcu, error::Result};

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    // SAFETY: The timeline lives.
    let lock = unsafe { &raw mut (*timeline).lock };
    let fence = job_with(timeline, 1, &OPS, lock)?;
    // SAFETY: The references are ours; with one, any thread may take the lock.
    unsafe {
        let shared = dma_fence_get(fence);
        dma_fence_signal(fence);
        dma_fence_put(fence);
        synchronize_rcu();
        if wrong {
            Timeline::free(timeline);
            dma_fence_put(shared);
        } else {
            dma_fence_put(shared);
            Timeline::free(timeline);
        }
    }
    Ok(())
}
