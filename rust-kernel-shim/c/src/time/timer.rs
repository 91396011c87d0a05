// SPDX-License-Identifier: GPL-2.0-only
//! Timers: functions that are called, in a soft interrupt, when so many jiffies have passed.
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)
//!
//! Each is an [`hrtimer`] that is due at the beginning of a jiffy.

use super::{
    hrtimer::{start, stop},
    queue,
};
use crate::{
    ffi::{c_char, c_int, c_uint, c_ulong},
    hrtimer, hrtimer_cancel, hrtimer_mode_HRTIMER_MODE_ABS_SOFT, hrtimer_restart,
    hrtimer_restart_HRTIMER_NORESTART, hrtimer_setup, jiffies, lock_class_key,
    lockdep::{dep_map, What},
    CLOCK_MONOTONIC, TICK_NSEC,
};
use core::ptr::addr_of_mut;

/// The function may be called with interrupts disabled.
pub const TIMER_IRQSAFE: c_uint = 0x0020_0000;

/// A function to be called at a time.
#[repr(C)]
pub struct timer_list {
    /// First, so that its address is the timer's.
    base: hrtimer,
    function: Option<unsafe extern "C" fn(timer: *mut timer_list)>,
}

/// Calls the function of a timer.
///
/// # Safety
///
/// `timer` is the base of a [`timer_list`], and its time has come.
unsafe extern "C" fn expired(timer: *mut hrtimer) -> hrtimer_restart {
    let timer: *mut timer_list = timer.cast();
    // SAFETY: The base is the first field.
    if let Some(function) = unsafe { (*timer).function } {
        // SAFETY: The caller of `mod_timer()` vouches for the function, which may free the timer.
        unsafe { function(timer) };
    }
    hrtimer_restart_HRTIMER_NORESTART
}

/// Makes `timer` one that calls `func`.
pub unsafe fn timer_init_key(
    timer: *mut timer_list,
    func: Option<unsafe extern "C" fn(timer: *mut timer_list)>,
    _flags: c_uint,
    name: *const c_char,
    key: *mut lock_class_key,
) {
    let (clock, mode) = (CLOCK_MONOTONIC, hrtimer_mode_HRTIMER_MODE_ABS_SOFT);
    // SAFETY: `timer` is valid for writes, and the name lives forever: the caller's guarantees.
    unsafe {
        addr_of_mut!((*timer).function).write(func);
        hrtimer_setup(timer.cast(), Some(expired), clock.cast_signed(), mode);
        (*timer).base.dep_map = dep_map::named(name, key, What::Event);
    }
}

/// Starts a timer that expires at `expires`, in jiffies; 1 if it was pending. From any context.
///
/// # Safety
///
/// `timer` is initialised, and stays valid until its function is called or it is deleted; the
/// function may be called by another thread.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn mod_timer(timer: *mut timer_list, expires: c_ulong) -> c_int {
    // SAFETY: `jiffies()` has no preconditions.
    let now = unsafe { jiffies() };
    // Half of all times are in the past, as for C's `time_before()`.
    let left = expires.wrapping_sub(now).cast_signed();
    let when = now
        .cast_signed()
        .saturating_add(left)
        .saturating_mul(TICK_NSEC);
    // SAFETY: The caller's guarantees are the same, for the base.
    unsafe {
        start(
            timer.cast(),
            when as i64,
            hrtimer_mode_HRTIMER_MODE_ABS_SOFT,
        )
    }
    .into()
}

/// Stops a timer: 1 if it was pending. Its function may still be running. From any context.
pub unsafe fn timer_delete(timer: *mut timer_list) -> c_int {
    // SAFETY: `timer` is initialised, and its base with it.
    unsafe { stop(timer.cast()) }.into()
}

/// As [`timer_delete`], and waits until the function is not running either.
///
/// # Safety
///
/// `timer` is initialised, and the caller is not its function.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn timer_delete_sync(timer: *mut timer_list) -> c_int {
    // SAFETY: `timer` is initialised, and its base with it; the caller is not its function.
    unsafe { hrtimer_cancel(timer.cast()) }
}

/// True while the timer waits for its time. From any context.
pub unsafe fn timer_pending(timer: *const timer_list) -> bool {
    let _lock = queue::lock();
    // SAFETY: `timer` is initialised, and its base with it. The lock is held.
    unsafe { queue::queued(timer.cast()) }
}
