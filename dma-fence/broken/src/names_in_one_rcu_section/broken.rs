// SPDX-License-Identifier: GPL-2.0-only
//! An importer that prints the name of a timeline.

use crate::exporter::{finish, pending_job};
use core::ffi::CStr;
use ::dma_fence::bindings::{dma_fence, dma_fence_timeline_name};
use kernel::{error::Result, str::CStrExt as _};

/// # Safety
///
/// The caller has a reference to `fence`.
unsafe fn length_of_name(fence: *mut dma_fence) -> usize {
    // SAFETY: The caller has a reference. But the driver may free the name at any time.
    unsafe { CStr::from_char_ptr(dma_fence_timeline_name(fence)) }.count_bytes()
}

pub(crate) fn run() -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The fence and its timeline are ours until the last lines.
    unsafe {
        length_of_name(fence);
        finish(timeline, [fence]);
    }
    Ok(())
}
