// SPDX-License-Identifier: GPL-2.0-only
//! A driver that drops a job that an importer waits for.

use crate::exporter::{job, notify, zeroed, Timeline, Waiter};
use ::dma_fence::bindings::{
    dma_fence_add_callback, dma_fence_put, dma_fence_set_error, dma_fence_signal,
};
use kernel::{
    bindings::{kfree, synchronize_rcu, ECANCELED},
    error::Result,
};

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let waiter = zeroed::<Waiter>()?;
    let fence = job(timeline, 1)?;
    // SAFETY: The fence, its timeline and the waiter are ours until the last lines.
    unsafe {
        dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(notify));
        if !wrong {
            dma_fence_set_error(fence, -ECANCELED.cast_signed());
            dma_fence_signal(fence);
        }
        dma_fence_put(fence);
        kfree(waiter.cast());
        synchronize_rcu();
        Timeline::free(timeline);
    }
    Ok(())
}
