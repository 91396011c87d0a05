// SPDX-License-Identifier: GPL-2.0-only
//! Timers and work in memory that goes.

use crate::exporter::zeroed;
use core::ptr::null_mut;
use kernel::{
    bindings::{
        cancel_delayed_work_sync, cancel_work_sync, delayed_work, delayed_work_timer_fn,
        flush_work, init_work_with_key, kfree, queue_delayed_work_on, queue_work, system_percpu_wq,
        timer_init_key, work_struct,
    },
    error::Result,
    str::CStrExt as _,
};

extern "C" fn nothing(_work: *mut work_struct) {}

/// # Safety
///
/// `work` is valid for writes.
unsafe fn init(work: *mut work_struct) {
    // SAFETY: `work` is valid for writes.
    unsafe {
        init_work_with_key(
            work,
            Some(nothing),
            false,
            c"work".as_char_ptr(),
            null_mut(),
        )
    };
}

pub(super) fn queued_work(wrong: bool) -> Result {
    let work = zeroed::<work_struct>()?;
    // SAFETY: The work is ours until the last line.
    unsafe {
        init(work);
        queue_work(system_percpu_wq, work);
        if !wrong {
            cancel_work_sync(work);
        }
        kfree(work.cast());
    }
    Ok(())
}

pub(super) fn delayed(wrong: bool) -> Result {
    let work = zeroed::<delayed_work>()?;
    // SAFETY: The work is ours until the last line.
    unsafe {
        init(&raw mut (*work).work);
        let (timer, name) = (&raw mut (*work).timer, c"timer".as_char_ptr());
        timer_init_key(timer, Some(delayed_work_timer_fn), 0, name, null_mut());
        queue_delayed_work_on(0, system_percpu_wq, work, 100);
        if !wrong {
            cancel_delayed_work_sync(work);
        }
        kfree(work.cast());
    }
    Ok(())
}

/// Work that was run may be freed, and what is in its memory then is no work.
pub(super) fn work_that_was_run() -> Result {
    let work = zeroed::<work_struct>()?;
    // SAFETY: The work is ours until the last line.
    unsafe {
        init(work);
        queue_work(system_percpu_wq, work);
        flush_work(work);
        work.cast::<u8>()
            .write_bytes(0xff, size_of::<work_struct>());
        kfree(work.cast());
    }
    Ok(())
}
