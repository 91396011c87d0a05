// SPDX-License-Identifier: GPL-2.0-only
//! Reservation objects, and what was reserved.

use crate::exporter::{finish, job, pending_job};
use ::dma_fence::bindings::{
    dma_fence, dma_resv, dma_resv_add_fence, dma_resv_fini, dma_resv_init, dma_resv_lock,
    dma_resv_reserve_fences, dma_resv_unlock, dma_resv_usage_DMA_RESV_USAGE_READ as READ,
};
use core::ptr::null_mut;
use kernel::{prelude::*, types::Opaque};

/// Calls `body` with an object that is locked.
fn locked(body: impl FnOnce(*mut dma_resv) -> i32) -> Result {
    let resv = Opaque::<dma_resv>::uninit();
    let resv = resv.get();
    // SAFETY: The object stays here until its end.
    let error = unsafe {
        dma_resv_init(resv);
        dma_resv_lock(resv, null_mut());
        let error = body(resv);
        dma_resv_unlock(resv);
        dma_resv_fini(resv);
        error
    };
    kernel::error::to_result(error)
}

/// Reserves so many slots, and adds the fences.
///
/// # Safety
///
/// The object is locked, and the fences are the caller's.
#[track_caller]
unsafe fn add(resv: *mut dma_resv, slots: u32, fences: &[*mut dma_fence]) -> i32 {
    // SAFETY: The caller's guarantees; that there are slots is what is checked.
    unsafe {
        let error = match slots {
            0 => 0,
            slots => dma_resv_reserve_fences(resv, slots),
        };
        if error == 0 {
            for &fence in fences {
                dma_resv_add_fence(resv, fence, READ);
            }
        }
        error
    }
}

/// The first submission to a buffer.
pub(super) fn never_reserved(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The object is locked, and the fence ours until the last line.
    unsafe {
        let result = locked(|resv| add(resv, u32::from(!wrong), &[fence]));
        finish(timeline, [fence]);
        result
    }
}

/// A submission of six jobs, each of a timeline of its own.
pub(super) fn more_than_was_reserved(wrong: bool) -> Result {
    let jobs = [(); 6].map(|()| pending_job());
    let mut all = [(null_mut(), null_mut()); 6];
    for (one, job) in all.iter_mut().zip(jobs) {
        *one = job?;
    }
    let fences = all.map(|(_, fence)| fence);
    // SAFETY: The object is locked, and the fences ours until the last line.
    unsafe {
        // There are five at least.
        let result = locked(|resv| add(resv, if wrong { 4 } else { 6 }, &fences));
        for (timeline, fence) in all {
            finish(timeline, [fence]);
        }
        result
    }
}

/// Jobs of one timeline: each stands for those before it.
pub(super) fn in_the_place_of_others() -> Result {
    let (timeline, first) = pending_job()?;
    let second = job(timeline, 2)?;
    // SAFETY: The object is locked, and the fences ours until the last line.
    unsafe {
        let result = locked(|resv| {
            let error = add(resv, 1, &[first]);
            // Nothing is left of what was reserved.
            dma_resv_unlock(resv);
            dma_resv_lock(resv, null_mut());
            error | add(resv, 0, &[second, second])
        });
        finish(timeline, [first, second]);
        result
    }
}
