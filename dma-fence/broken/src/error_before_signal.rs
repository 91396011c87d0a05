// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose job has failed.

use crate::exporter::{finish, pending_job};
use ::dma_fence::bindings::{dma_fence_set_error, dma_fence_signal};
use kernel::{bindings::EIO, error::Result};

pub(crate) fn run(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The fence and its timeline are ours until the last lines.
    unsafe {
        if wrong {
            dma_fence_signal(fence);
            dma_fence_set_error(fence, -EIO.cast_signed());
        } else {
            dma_fence_set_error(fence, -EIO.cast_signed());
            dma_fence_signal(fence);
        }
        finish(timeline, [fence]);
    }
    Ok(())
}
