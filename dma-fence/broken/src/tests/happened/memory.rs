// SPDX-License-Identifier: GPL-2.0-only
//! Memory of the driver's own that is freed in use.
//!
//! What only reads or writes it afterwards, no rule can see: that takes `scripts/asan --crate`.

use crate::exporter::{finish, pending_job, zeroed};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_put, dma_fence_signal,
};
use core::ptr::null_mut;
use kernel::{
    bindings::{
        jiffies, kfree, mod_timer, synchronize_rcu, timer_delete, timer_delete_sync,
        timer_init_key, timer_list,
    },
    prelude::*,
    time::{delay::fsleep, Delta},
};

/// A callback with a watchdog, which it frees.
#[repr(C)]
struct Wait {
    cb: dma_fence_cb,
    watchdog: timer_list,
}

fn new_wait() -> Result<*mut Wait> {
    extern "C" fn barks(_watchdog: *mut timer_list) {}
    let wait = zeroed::<Wait>()?;
    let name = c"watchdog".as_char_ptr();
    // SAFETY: The memory is fresh.
    unsafe { timer_init_key(&raw mut (*wait).watchdog, Some(barks), 0, name, null_mut()) };
    Ok(wait)
}

/// # Safety
///
/// The callback is that of a [`Wait`].
unsafe extern "C" fn free_after_a_grace_period(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: It is the first member of a `Wait`. The mistake is that this sleeps.
    unsafe {
        synchronize_rcu(); // BUG
        kfree(cb.cast());
    }
}

/// # Safety
///
/// The callback is that of a [`Wait`].
unsafe extern "C" fn free_at_once(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: It is the first member of a `Wait`, whose timer was never armed.
    unsafe {
        timer_delete(&raw mut (*cb.cast::<Wait>()).watchdog);
        kfree(cb.cast());
    }
}

/// A callback frees what it belongs to, and waits first.
pub(super) fn callback_that_frees_itself(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let wait = new_wait()?;
    // SAFETY: All of this is ours.
    unsafe {
        let func = if wrong {
            free_after_a_grace_period
        } else {
            free_at_once
        };
        dma_fence_add_callback(fence, &raw mut (*wait).cb, Some(func));
        dma_fence_signal(fence); // BUG
        dma_fence_put(fence);
        finish(timeline, []);
    }
    Ok(())
}

/// A timeline's watchdog is armed when the timeline goes.
pub(super) fn freed_with_its_watchdog_armed(wrong: bool) -> Result {
    let wait = new_wait()?;
    // SAFETY: The memory is ours. The mistake is that its timer is armed when it goes.
    unsafe {
        let watchdog = &raw mut (*wait).watchdog;
        mod_timer(watchdog, jiffies() + 500); // BUG
        if !wrong {
            timer_delete_sync(watchdog);
        }
        kfree(wait.cast()); // BUG
    }
    fsleep(Delta::from_secs(4));
    Ok(())
}
