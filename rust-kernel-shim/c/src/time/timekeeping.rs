// SPDX-License-Identifier: GPL-2.0-only
//! Time.
//!
//! C headers: [`include/linux/ktime.h`](srctree/include/linux/ktime.h),
//! [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h),
//! [`include/linux/delay.h`](srctree/include/linux/delay.h)

use crate::ffi::{c_int, c_long, c_uint, c_ulong};
use crate::{may_sleep, schedule_timeout, TASK_UNINTERRUPTIBLE};
use machine::{clock, task};

/// Nanoseconds.
pub type ktime_t = i64;
/// Number of a clock.
pub type clockid_t = c_int;

/// Jiffies in a second, as Debian's kernel has it.
pub const HZ: c_ulong = 250;
/// Nanoseconds in a microsecond.
pub const NSEC_PER_USEC: c_long = 1_000;
/// Nanoseconds in a millisecond.
pub const NSEC_PER_MSEC: c_long = 1_000_000;
/// Nanoseconds in a second.
pub const NSEC_PER_SEC: c_long = 1_000_000_000;
/// Nanoseconds in a jiffy.
pub const TICK_NSEC: c_long = NSEC_PER_SEC / HZ.cast_signed();
/// The longest time that conversions return, in jiffies.
pub const MAX_JIFFY_OFFSET: c_ulong = (c_long::MAX as c_ulong >> 1) - 1;

/// The wall clock.
pub const CLOCK_REALTIME: c_uint = 0;
/// The clock that never goes back.
pub const CLOCK_MONOTONIC: c_uint = 1;
/// As [`CLOCK_MONOTONIC`], counting suspended time.
pub const CLOCK_BOOTTIME: c_uint = 7;
/// International atomic time.
pub const CLOCK_TAI: c_uint = 11;

/// Nanoseconds since boot, without suspended time. From any context.
pub unsafe fn ktime_get() -> ktime_t {
    clock::monotonic()
}

/// As [`ktime_get`], of the last tick, which takes less time. From any context.
pub unsafe fn ktime_get_coarse() -> ktime_t {
    clock::monotonic_coarse()
}

/// Nanoseconds since 1970. From any context.
pub unsafe fn ktime_get_real() -> ktime_t {
    clock::real()
}

/// Nanoseconds since boot; nothing suspends this machine. From any context.
pub unsafe fn ktime_get_boottime() -> ktime_t {
    clock::monotonic()
}

/// Nanoseconds since 1970 in atomic time; leap seconds are not known here. From any context.
pub unsafe fn ktime_get_clocktai() -> ktime_t {
    clock::real()
}

/// Jiffies since boot. From any context.
pub unsafe fn jiffies() -> c_ulong {
    (clock::monotonic() / TICK_NSEC as i64) as c_ulong
}

/// Milliseconds in jiffies, rounded up; a negative number (as an `int`) is forever.
pub unsafe fn __msecs_to_jiffies(m: c_uint) -> c_ulong {
    if m.cast_signed() < 0 {
        return MAX_JIFFY_OFFSET;
    }
    (m as c_ulong * HZ).div_ceil(1000)
}

fn sleep_jiffies(mut timeout: c_long) {
    while timeout > 0 {
        task::current().set_state(TASK_UNINTERRUPTIBLE);
        // SAFETY: `schedule_timeout()` has no preconditions.
        timeout = unsafe { schedule_timeout(timeout) };
    }
}

/// Sleeps for at least `msecs` milliseconds.
#[track_caller]
pub unsafe fn msleep(msecs: c_uint) {
    may_sleep();
    // SAFETY: `__msecs_to_jiffies()` has no preconditions.
    sleep_jiffies(unsafe { __msecs_to_jiffies(msecs) }.cast_signed());
}

/// Sleeps for at least `usecs` microseconds, with jiffies as the grain.
#[track_caller]
pub unsafe fn fsleep(usecs: c_ulong) {
    may_sleep();
    let ticks = usecs.div_ceil(NSEC_PER_SEC as c_ulong / 1000 / HZ);
    sleep_jiffies(c_long::try_from(ticks).unwrap_or(c_long::MAX - 1));
}
