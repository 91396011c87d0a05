// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose hardware counts jobs, and a reset that sets the counter back.

use crate::exporter::{finish, job_with, timeline_of, Timeline, OPS};
use core::sync::atomic::Ordering::Relaxed;
use ::dma_fence::bindings::{
    dma_fence, dma_fence_is_signaled, dma_fence_is_signaled_locked, dma_fence_lock_irqsave,
    dma_fence_ops, dma_fence_seqno, dma_fence_unlock_irqrestore,
};
use kernel::{
    bindings::cpu_relax,
    error::Result,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Release},
        Arc, Completion,
    },
    workqueue,
};

static POLLING: dma_fence_ops = dma_fence_ops {
    signaled: Some(signaled),
    ..OPS
};

/// # Safety
///
/// The fence is a job's, whose timeline lives.
unsafe extern "C" fn signaled(fence: *mut dma_fence) -> bool {
    // SAFETY: The fence is a job's, whose timeline lives; the counter is the hardware's.
    let signaled = unsafe { (*timeline_of(fence)).done.load(Relaxed) >= dma_fence_seqno(fence) };
    if signaled {
        SEEN.store(true, Release);
    }
    signaled
}

/// True if the op has returned true.
static SEEN: Atomic<bool> = Atomic::new(false);

pub(crate) fn run(wrong: bool) -> Result {
    SEEN.store(false, Release);
    let timeline = Timeline::new()?;
    let fence = job_with(timeline, 1, &POLLING, core::ptr::null_mut())?;
    let polled = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let (other, address) = (polled.clone(), fence.expose_provenance());
    // Not on this CPU, which will not let go.
    workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
        let fence = core::ptr::with_exposed_provenance_mut(address);
        // SAFETY: The fence lives until this has completed.
        unsafe {
            while !dma_fence_is_signaled(fence) {
                cpu_relax();
            }
        }
        other.complete_all();
    })?;
    // SAFETY: The fence and its timeline are ours until the last lines.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence);
        (*timeline).done.store(1, Relaxed);
        while !SEEN.load(Acquire) {
            cpu_relax();
        }
        // The reset; a job that was seen done has to stay done.
        if wrong {
            (*timeline).done.store(0, Relaxed);
        }
        dma_fence_is_signaled_locked(fence);
        dma_fence_unlock_irqrestore(fence, flags);
        polled.wait_for_completion();
        finish(timeline, [fence]);
    }
    Ok(())
}
