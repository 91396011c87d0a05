// SPDX-License-Identifier: GPL-2.0-only
//! An importer that waits for the first of two jobs, and then does not.

use crate::exporter::{finish, job, notify, zeroed, Timeline, Waiter};
use ::dma_fence::bindings::{dma_fence_add_callback, dma_fence_remove_callback};
use kernel::{bindings::kfree, error::Result};

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let waiter = zeroed::<Waiter>()?;
    let (first, second) = (job(timeline, 1)?, job(timeline, 2)?);
    // SAFETY: The fences, their timeline and the waiter are ours until the last lines.
    unsafe {
        let cb = &raw mut (*waiter).cb;
        dma_fence_add_callback(first, cb, Some(notify));
        if wrong {
            dma_fence_remove_callback(second, cb);
        } else {
            dma_fence_remove_callback(first, cb);
        }
        finish(timeline, [first, second]);
        kfree(waiter.cast());
    }
    Ok(())
}
