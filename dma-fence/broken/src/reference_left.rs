// SPDX-License-Identifier: GPL-2.0-only
//! An importer that forgets its reference when something fails.

use crate::exporter::{finish, pending_job};
use ::dma_fence::bindings::{dma_fence, dma_fence_get, dma_fence_put};
use kernel::error::{code::EINVAL, Result};

/// Imports a fence, which fails.
///
/// # Safety
///
/// The caller has a reference.
unsafe fn import(fence: *mut dma_fence, wrong: bool) -> Result {
    // SAFETY: The caller has a reference.
    unsafe {
        let shared = dma_fence_get(fence);
        if !wrong {
            dma_fence_put(shared);
        }
    }
    Err(EINVAL)
}

pub(crate) fn run(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        assert_eq!(import(fence, wrong), Err(EINVAL));
        finish(timeline, [fence]);
    }
    Ok(())
}
