// SPDX-License-Identifier: GPL-2.0-only
//! An importer that wants the name of a timeline, of a fence whose ops stay attached.

use crate::exporter::{finish, job_with, Timeline, WITH_RELEASE};
use ::dma_fence::bindings::{
    dma_fence_ops_ptr, dma_fence_signal, dma_fence_timeline_name,
};
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock},
    error::Result,
};

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let fence = job_with(timeline, 1, &WITH_RELEASE, core::ptr::null_mut())?;
    // SAFETY: The fence is ours.
    unsafe {
        dma_fence_signal(fence);
        rcu_read_lock();
        if wrong {
            // The driver may free the timeline as soon as the fence has signalled.
            if let Some(name) = (*dma_fence_ops_ptr(fence)).get_timeline_name {
                name(fence);
            }
        } else {
            // This name is the fence's own.
            dma_fence_timeline_name(fence);
        }
        rcu_read_unlock();
        finish(timeline, [fence]);
    }
    Ok(())
}
