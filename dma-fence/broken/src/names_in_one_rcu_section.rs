// SPDX-License-Identifier: GPL-2.0-only
//! An importer that prints the name of a timeline.

use crate::exporter::{finish, pending_job};
use core::ffi::CStr;
use ::dma_fence::bindings::dma_fence_timeline_name;
use kernel::bindings::{rcu_read_lock, rcu_read_unlock};
use kernel::{error::Result, str::CStrExt as _};

pub(crate) fn run(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The fence and its timeline are ours until the last lines.
    unsafe {
        if wrong {
            // The driver may free the name at any time.
            let name = dma_fence_timeline_name(fence);
            assert_eq!(CStr::from_char_ptr(name), c"ring0");
        } else {
            rcu_read_lock();
            let name = dma_fence_timeline_name(fence);
            assert_eq!(CStr::from_char_ptr(name), c"ring0");
            rcu_read_unlock();
        }
        finish(timeline, [fence]);
    }
    Ok(())
}
