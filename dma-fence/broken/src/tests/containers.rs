// SPDX-License-Identifier: GPL-2.0-only
//! Containers of containers.

use crate::{
    exporter::{finish, job, pending_job},
    no_nested_containers::both,
};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_chain_alloc, dma_fence_chain_init, dma_fence_get, dma_fence_put,
};
use core::ptr::null_mut;
use kernel::prelude::*;

/// A node behind `prev`, which takes over the references.
#[track_caller]
fn node(prev: *mut dma_fence, fence: *mut dma_fence, seqno: u64) -> Result<*mut dma_fence> {
    // SAFETY: The fences are the caller's, and the memory is new.
    unsafe {
        let node = dma_fence_chain_alloc();
        if node.is_null() {
            return Err(ENOMEM);
        }
        dma_fence_chain_init(node, prev, fence, seqno);
        Ok(node.cast())
    }
}

/// A point of a timeline is submitted together with a job.
pub(super) fn node_in_an_array(wrong: bool) -> Result {
    let (timeline, a) = pending_job()?;
    let b = job(timeline, 2)?;
    // SAFETY: The fences are ours until the last lines.
    unsafe {
        let point = node(null_mut(), dma_fence_get(a), 1)?;
        let inside = if wrong { point } else { a };
        let all = both([dma_fence_get(inside), dma_fence_get(b)])?;
        dma_fence_put(all);
        dma_fence_put(point);
        finish(timeline, [a, b]);
    }
    Ok(())
}

/// A point of a timeline is copied to another.
pub(super) fn node_in_a_node(wrong: bool) -> Result {
    let (timeline, job) = pending_job()?;
    // SAFETY: The fences are ours until the last lines.
    unsafe {
        let point = node(null_mut(), dma_fence_get(job), 1)?;
        let (prev, fence) = match wrong {
            true => (null_mut(), dma_fence_get(point)),
            false => (dma_fence_get(point), dma_fence_get(job)),
        };
        dma_fence_put(node(prev, fence, 2)?);
        dma_fence_put(point);
        finish(timeline, [job]);
    }
    Ok(())
}

/// A node may contain an array, and come after one.
pub(super) fn arrays_in_a_chain() -> Result {
    let (timeline, a) = pending_job()?;
    let b = job(timeline, 2)?;
    // SAFETY: The fences are ours until the last lines.
    unsafe {
        let two = both([a, b].map(|fence| dma_fence_get(fence)))?;
        let point = node(dma_fence_get(two), dma_fence_get(two), 1)?;
        dma_fence_put(node(point, two, 2)?);
        finish(timeline, [a, b]);
    }
    Ok(())
}
