// SPDX-License-Identifier: GPL-2.0-only
//! A submission that waits for what the one before it waits for, and for one job more.

use crate::exporter::{finish, job, Timeline};
use ::dma_fence::bindings::{
    __dma_fence_unwrap_merge, dma_fence, dma_fence_array_create, dma_fence_context_alloc,
    dma_fence_get, dma_fence_put, dma_fence_unwrap,
};
use kernel::{
    bindings::{kmalloc_objs, GFP_KERNEL},
    error::{code::ENOMEM, Result},
};

/// An array of two fences, which takes over the references.
#[track_caller]
pub(crate) fn both(fences: [*mut dma_fence; 2]) -> Result<*mut dma_fence> {
    // SAFETY: The fences are the caller's; the memory is new, and the array takes over all.
    unsafe {
        let members = kmalloc_objs::<*mut dma_fence>(2, GFP_KERNEL);
        if members.is_null() {
            return Err(ENOMEM);
        }
        members.cast::<[*mut dma_fence; 2]>().write(fences);
        Ok(dma_fence_array_create(2, members, dma_fence_context_alloc(1), 1).cast())
    }
}

pub(crate) fn run(wrong: bool) -> Result {
    let (render, copy) = (Timeline::new()?, Timeline::new()?);
    let (a, b, c) = (job(render, 1)?, job(copy, 1)?, job(render, 2)?);
    // SAFETY: The fences and their timelines are ours until the last lines.
    unsafe {
        let before = both([a, b].map(|fence| dma_fence_get(fence)))?;
        if wrong {
            dma_fence_put(both([before, c].map(|fence| dma_fence_get(fence)))?);
        } else {
            let (mut heads, mut cursors) = ([before, c], [(); 2].map(|()| dma_fence_unwrap::default()));
            let all = __dma_fence_unwrap_merge(2, heads.as_mut_ptr(), cursors.as_mut_ptr());
            dma_fence_put(all);
        }
        dma_fence_put(before);
        finish(render, [a, c]);
        finish(copy, [b]);
    }
    Ok(())
}
