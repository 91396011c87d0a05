// SPDX-License-Identifier: GPL-2.0-only
//! A driver with a watchdog for each of its rings.

use crate::exporter::zeroed;
use core::ptr::null_mut;
use kernel::{
    bindings::{jiffies, kfree, mod_timer, timer_delete_sync, timer_init_key, timer_list},
    error::Result,
    str::CStrExt as _,
};

/// A ring of the hardware.
#[repr(C)]
struct Ring {
    watchdog: timer_list,
    resets: usize,
}

/// The ring hangs.
///
/// # Safety
///
/// `timer` is that of a [`Ring`].
unsafe extern "C" fn reset(timer: *mut timer_list) {
    // SAFETY: The timer is the first member of a `Ring`.
    unsafe { (*timer.cast::<Ring>()).resets += 1 };
}

pub(crate) fn run(wrong: bool) -> Result {
    let ring = zeroed::<Ring>()?;
    // SAFETY: The ring is ours until the last line.
    unsafe {
        let watchdog = &raw mut (*ring).watchdog;
        timer_init_key(watchdog, Some(reset), 0, c"watchdog".as_char_ptr(), null_mut());
        mod_timer(watchdog, jiffies() + 100);
        if !wrong {
            timer_delete_sync(watchdog);
        }
        kfree(ring.cast());
    }
    Ok(())
}
