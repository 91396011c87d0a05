// SPDX-License-Identifier: GPL-2.0-only
//! An importer that wants the name of a timeline, of a fence whose ops stay attached.

use crate::exporter::{finish, job_with, Timeline, OPS};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_free, dma_fence_ops, dma_fence_signal, dma_fence_timeline_name,
};
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock},
    error::Result,
};

static WITH_RELEASE: dma_fence_ops = dma_fence_ops {
    release: Some(release),
    ..OPS
};

/// # Safety
///
/// The last reference is gone.
unsafe extern "C" fn release(fence: *mut dma_fence) {
    // SAFETY: The last reference is gone: the caller's guarantee.
    unsafe { dma_fence_free(fence) };
}

pub(crate) fn run() -> Result {
    let timeline = Timeline::new()?;
    let fence = job_with(timeline, 1, &WITH_RELEASE, core::ptr::null_mut())?;
    // SAFETY: The fence is ours, and the name is its own.
    unsafe {
        dma_fence_signal(fence);
        rcu_read_lock();
        dma_fence_timeline_name(fence);
        rcu_read_unlock();
        finish(timeline, [fence]);
    }
    Ok(())
}
