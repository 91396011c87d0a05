// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose job has failed.

use crate::exporter::{job, Timeline};
use ::dma_fence::bindings::{dma_fence_put, dma_fence_set_error, dma_fence_signal};
use kernel::{
    bindings::{synchronize_rcu, EIO},
    error::Result,
};

pub(crate) fn run() -> Result {
    let timeline = Timeline::new()?;
    let fence = job(timeline, 1)?;
    // SAFETY: The fence and its timeline are ours until the last lines.
    unsafe {
        dma_fence_signal(fence);
        dma_fence_set_error(fence, -EIO.cast_signed());
        dma_fence_put(fence);
        synchronize_rcu();
        Timeline::free(timeline);
    }
    Ok(())
}
