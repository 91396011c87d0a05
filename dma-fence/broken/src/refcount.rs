// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose cleanup drops what its submission has dropped already.

use crate::exporter::{pending_job, Timeline};
use ::dma_fence::bindings::{dma_fence_get, dma_fence_put, dma_fence_signal};
use kernel::{bindings::synchronize_rcu, error::Result};

pub(crate) fn run(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: Two references are ours; and a third that does not exist, if that is `wrong`.
    unsafe {
        let shared = dma_fence_get(fence);
        dma_fence_signal(fence);
        dma_fence_put(shared);
        dma_fence_put(fence);
        synchronize_rcu();
        if wrong {
            dma_fence_put(shared);
        }
        Timeline::free(timeline);
    }
    Ok(())
}
