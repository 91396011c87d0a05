// SPDX-License-Identifier: GPL-2.0-only
//! A driver that drops a job that an importer waits for.

use crate::exporter::{job, tell, zeroed, Timeline, Waiter};
use ::dma_fence::bindings::{dma_fence_add_callback, dma_fence_put};
use kernel::{
    bindings::{kfree, synchronize_rcu},
    error::Result,
};

pub(crate) fn run() -> Result {
    let timeline = Timeline::new()?;
    let waiter = zeroed::<Waiter>()?;
    let fence = job(timeline, 1)?;
    // SAFETY: The fence, its timeline and the waiter are ours until the last lines.
    unsafe {
        dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(tell));
        dma_fence_put(fence);
        kfree(waiter.cast());
        synchronize_rcu();
        Timeline::free(timeline);
    }
    Ok(())
}
