// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose submission lets go of the buffer's lock while it prepares the job.

use crate::exporter::{finish, pending_job};
use ::dma_fence::bindings::{
    dma_fence_signal, dma_resv, dma_resv_add_fence, dma_resv_fini, dma_resv_init, dma_resv_lock,
    dma_resv_reserve_fences, dma_resv_unlock, dma_resv_usage_DMA_RESV_USAGE_WRITE,
};
use core::ptr::null_mut;
use kernel::{
    error::{to_result, Result},
    types::Opaque,
};

pub(crate) fn run(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let resv = Opaque::<dma_resv>::uninit();
    let resv = resv.get();
    // SAFETY: The object stays here until its end; the fence and its timeline are ours until the last
    // lines.
    unsafe {
        dma_resv_init(resv);
        dma_resv_lock(resv, null_mut());
        let result = to_result(dma_resv_reserve_fences(resv, 1));
        if wrong {
            // The job is prepared, for which another driver's buffers may have to move.
            dma_resv_unlock(resv);
            dma_resv_lock(resv, null_mut());
        }
        if result.is_ok() {
            dma_resv_add_fence(resv, fence, dma_resv_usage_DMA_RESV_USAGE_WRITE);
        }
        dma_resv_unlock(resv);
        dma_fence_signal(fence);
        dma_resv_fini(resv);
        finish(timeline, [fence]);
        result
    }
}
