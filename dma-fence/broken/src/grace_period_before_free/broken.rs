// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose last job is done.

use crate::exporter::{pending_job, Timeline};
use ::dma_fence::bindings::{dma_fence_get, dma_fence_put, dma_fence_signal};
use kernel::error::Result;

pub(crate) fn run() -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references are ours. But another CPU may use a name at this moment.
    unsafe {
        // An importer has it as well.
        let shared = dma_fence_get(fence);
        dma_fence_signal(fence);
        dma_fence_put(fence);
        Timeline::free(timeline);
        dma_fence_put(shared);
    }
    Ok(())
}
