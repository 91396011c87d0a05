// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose last job is done.

use crate::exporter::{pending_job, Timeline};
use ::dma_fence::bindings::{dma_fence_get, dma_fence_put, dma_fence_signal};
use kernel::error::Result;

pub(crate) fn run(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references are ours.
    unsafe {
        // An importer has it as well.
        let shared = dma_fence_get(fence);
        dma_fence_signal(fence);
        dma_fence_put(fence);
        if wrong {
            // Another CPU may use a name at this moment.
            Timeline::free(timeline);
        } else {
            // A name is used inside a section, for whose end this waits.
            kernel::kfree_rcu!(timeline, Timeline, rcu);
        }
        dma_fence_put(shared);
    }
    Ok(())
}
