// SPDX-License-Identifier: GPL-2.0-only
//! An importer that wants to wait for the later of two jobs only.

use crate::exporter::{finish, job, Timeline};
use ::dma_fence::bindings::{dma_fence, dma_fence_is_later};
use kernel::error::Result;

/// Whether waiting for `a` is enough.
///
/// # Safety
///
/// The caller has references to both.
unsafe fn is_enough(a: *mut dma_fence, b: *mut dma_fence) -> bool {
    // SAFETY: The caller has references to both.
    unsafe { dma_fence_is_later(a, b) }
}

pub(crate) fn run() -> Result {
    let (render, display) = (Timeline::new()?, Timeline::new()?);
    let (a, b) = (job(render, 2)?, job(display, 1)?);
    // SAFETY: The fences and their timelines are ours until the last lines.
    unsafe {
        is_enough(a, b);
        finish(render, [a]);
        finish(display, [b]);
    }
    Ok(())
}
