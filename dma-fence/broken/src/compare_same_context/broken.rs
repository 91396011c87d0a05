// SPDX-License-Identifier: GPL-2.0-only
//! An importer that wants to wait for the later of two jobs only.

use crate::exporter::{job, Timeline};
use ::dma_fence::bindings::{dma_fence, dma_fence_is_later, dma_fence_put, dma_fence_signal};
use kernel::{bindings::synchronize_rcu, error::Result};

/// Whether waiting for `a` is enough.
///
/// # Safety
///
/// The caller has references to both.
unsafe fn is_enough(a: *mut dma_fence, b: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { dma_fence_is_later(a, b) }
}

pub(crate) fn run() -> Result {
    let timelines = [Timeline::new()?, Timeline::new()?];
    let fences = [job(timelines[0], 2)?, job(timelines[1], 1)?];
    // SAFETY: The fences and their timelines are ours until the last lines.
    unsafe {
        is_enough(fences[0], fences[1]);
        for fence in fences {
            dma_fence_signal(fence);
            dma_fence_put(fence);
        }
        synchronize_rcu();
        for timeline in timelines {
            Timeline::free(timeline);
        }
    }
    Ok(())
}
