// SPDX-License-Identifier: GPL-2.0-only
//! An importer that wants to wait for the later of two jobs only.

use crate::exporter::{finish, job, Timeline};
use ::dma_fence::bindings::{dma_fence_context, dma_fence_is_later};
use kernel::error::Result;

pub(crate) fn run(wrong: bool) -> Result {
    let (render, display) = (Timeline::new()?, Timeline::new()?);
    let (a, b) = (job(render, 2)?, job(display, 1)?);
    // SAFETY: The fences and their timelines are ours until the last lines.
    unsafe {
        let is_enough = |a, b| {
            if wrong {
                dma_fence_is_later(a, b)
            } else {
                dma_fence_context(a) == dma_fence_context(b) && dma_fence_is_later(a, b)
            }
        };
        assert!(!is_enough(a, b));
        finish(render, [a]);
        finish(display, [b]);
    }
    Ok(())
}
