// SPDX-License-Identifier: GPL-2.0-only
//! High-resolution timers: functions that a clock's interrupt calls.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)
//!
//! They are in the [`queue`].

use super::queue::{self, Timers};
use crate::{
    as_char_ptr,
    debug::active,
    ffi::{c_int, c_uint, c_void},
    globals, ktime_t, list_head,
    lockdep::{dep_map, Off, What},
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_TAI, INIT_LIST_HEAD, WARN_ON,
};
use core::{
    panic::Location,
    ptr::{self, addr_of_mut, null, null_mut},
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};
use machine::{barrier, blocked, clock, task};

/// The result of a timer's function.
pub type hrtimer_restart = c_uint;
/// The timer is not restarted.
pub const hrtimer_restart_HRTIMER_NORESTART: hrtimer_restart = 0;
/// The timer starts again, with its expiry, which the function has moved.
pub const hrtimer_restart_HRTIMER_RESTART: hrtimer_restart = 1;

/// The kind of a timer's expiry, and the context of its function.
pub type hrtimer_mode = c_uint;

/// The modes: sums of what is wanted.
macro_rules! modes {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {$(
        $(#[$doc])*
        pub const $name: hrtimer_mode = $value;
    )*};
}

const PINNED: hrtimer_mode = 2;
const SOFT: hrtimer_mode = 4;
const HARD: hrtimer_mode = 8;

modes! {
    /// A point in time.
    hrtimer_mode_HRTIMER_MODE_ABS = 0;
    /// A span from now.
    hrtimer_mode_HRTIMER_MODE_REL = 1;
    /// A point in time, on this processor.
    hrtimer_mode_HRTIMER_MODE_ABS_PINNED = PINNED;
    /// A span from now, on this processor.
    hrtimer_mode_HRTIMER_MODE_REL_PINNED = 1 | PINNED;
    /// A point in time, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_SOFT = SOFT;
    /// A span from now, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_SOFT = 1 | SOFT;
    /// A point in time, on this processor, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_PINNED_SOFT = PINNED | SOFT;
    /// A span from now, on this processor, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_PINNED_SOFT = 1 | PINNED | SOFT;
    /// A point in time, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_HARD = HARD;
    /// A span from now, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_HARD = 1 | HARD;
    /// A point in time, on this processor, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_PINNED_HARD = PINNED | HARD;
    /// A span from now, on this processor, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_PINNED_HARD = 1 | PINNED | HARD;
}

pub(super) type Function = Option<unsafe extern "C" fn(timer: *mut hrtimer) -> hrtimer_restart>;

/// A function to be called at a time.
///
/// # Invariants
///
/// `link` is on a list exactly while the timer is to come; then `timers` is what the list belongs
/// to. Both change under the lock of the queues only.
#[repr(C)]
pub struct hrtimer {
    /// First, so that the link's address is the timer's.
    pub(super) link: list_head,
    pub(super) timers: *const Timers,
    expires: AtomicI64,
    clock: c_uint,
    pub(super) soft: bool,
    pub(super) function: Function,
    /// The test that has started it; changes as `timers` does.
    pub(super) test: u64,
    /// Held while the function runs.
    pub(super) dep_map: dep_map,
}

impl hrtimer {
    /// Where its function runs.
    pub(super) fn runs_in(&self) -> Off {
        match self.soft {
            true => Off::Soft,
            false => Off::Hard,
        }
    }

    /// The nanoseconds until it is due, by its clock.
    pub(super) fn left(&self, monotonic: ktime_t, real: ktime_t) -> ktime_t {
        let now = match self.clock {
            CLOCK_REALTIME | CLOCK_TAI => real,
            _ => monotonic,
        };
        self.expires.load(Relaxed).saturating_sub(now)
    }

    fn now(&self) -> ktime_t {
        match self.clock {
            CLOCK_REALTIME | CLOCK_TAI => clock::real(),
            _ => clock::monotonic(),
        }
    }
}

/// Makes `timer` one that calls `function`, by one of the clocks.
pub unsafe fn hrtimer_setup(
    timer: *mut hrtimer,
    function: Function,
    clock_id: c_int,
    mode: hrtimer_mode,
) {
    let clock = clock_id.cast_unsigned();
    let known = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI].contains(&clock);
    WARN_ON!(!known || function.is_none());
    let key = function.map_or(null_mut(), |function| function as *mut c_void);
    // SAFETY: `timer` is valid for writes; the name is a literal.
    unsafe {
        timer.write(hrtimer {
            link: list_head::new(),
            timers: null(),
            expires: AtomicI64::new(0),
            clock,
            soft: mode & SOFT != 0,
            function,
            test: 0,
            // All timers of a function are of one class.
            dep_map: dep_map::named(as_char_ptr(c"hrtimer"), key.cast(), What::Event),
        });
        INIT_LIST_HEAD(addr_of_mut!((*timer).link));
    }
}

/// Starts a timer, or changes when it is due: in, or at, `tim` nanoseconds. From any context.
///
/// It may be up to `delta_ns` late, but is not. The last task to start it says in which machine it
/// is.
///
/// # Safety
///
/// `timer` is initialised, and stays valid until its function has been called for the last time
/// or it is cancelled; the function may be called by another thread.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn hrtimer_start_range_ns(
    timer: *mut hrtimer,
    tim: ktime_t,
    _delta_ns: u64,
    mode: hrtimer_mode,
) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { start(timer, tim, mode) };
}

/// As [`hrtimer_start_range_ns`]; true if it was to come.
///
/// # Safety
///
/// As [`hrtimer_start_range_ns`].
#[cfg_attr(feature = "debug", track_caller)]
pub(super) unsafe fn start(timer: *mut hrtimer, tim: ktime_t, mode: hrtimer_mode) -> bool {
    active::activated(timer.expose_provenance(), active::since(&active::TIMER));
    // SAFETY: The caller's guarantees are the same.
    unsafe { arm(timer, tim, mode) }
}

/// As [`start`], for a timer that is no driver's.
///
/// # Safety
///
/// As [`hrtimer_start_range_ns`].
pub(crate) unsafe fn arm(timer: *mut hrtimer, tim: ktime_t, mode: hrtimer_mode) -> bool {
    task::point();
    let queued = globals::with(|globals| {
        let mut lock = queue::lock();
        // SAFETY: `timer` is initialised and valid as long as it must be: the caller's guarantee.
        // It is on no list when it is inserted.
        unsafe {
            let queued = queue::remove(&mut lock, timer);
            let start = match mode & hrtimer_mode_HRTIMER_MODE_REL {
                0 => 0,
                _ => (*timer).now(),
            };
            (*timer).expires.store(start.saturating_add(tim), Relaxed);
            globals.timers.insert(lock, timer);
            queued
        }
    });
    task::point();
    queued
}

/// Takes the timer off its list: true if it was to come. Its function may be running.
pub(super) unsafe fn stop(timer: *mut hrtimer) -> bool {
    task::point();
    // SAFETY: `timer` is initialised: the caller's guarantee.
    unsafe { queue::remove(&mut queue::lock(), timer) }
}

/// Stops a timer: 1 if it was to come, 0 if not, -1 if its function is running, in which case
/// nothing is stopped. From any context.
pub unsafe fn hrtimer_try_to_cancel(timer: *mut hrtimer) -> c_int {
    task::point();
    let mut lock = queue::lock();
    if lock.caller_of(timer).is_some() {
        return -1;
    }
    // SAFETY: `timer` is initialised: the caller's guarantee.
    unsafe { queue::remove(&mut lock, timer) }.into()
}

/// Stops a timer, and waits while its function is running: 1 if it was to come, else 0. From any
/// context in which the function could run meanwhile. Ends the machine if another one got stuck in
/// the function: what that uses is not to be freed.
///
/// # Safety
///
/// `timer` is initialised, and the caller is not its function.
#[track_caller]
pub unsafe fn hrtimer_cancel(timer: *mut hrtimer) -> c_int {
    let mut tries = 0;
    // SAFETY: `timer` is initialised: the caller's guarantee.
    let (dep_map, off) = unsafe { (&(*timer).dep_map, (*timer).runs_in()) };
    dep_map.touch(off, Location::caller());
    loop {
        // SAFETY: `timer` is initialised: the caller's guarantee.
        let result = unsafe { hrtimer_try_to_cancel(timer) };
        if result >= 0 {
            return result;
        }
        let _waits = blocked::waiting(queue::function_of(timer));
        let here = globals::with(|globals| ptr::from_ref(&globals.timers));
        let mut lock = queue::lock();
        let (elsewhere, stuck) = (lock.caller_of(timer) != Some(here), lock.stuck_in(timer));
        drop(lock);
        if stuck {
            machine::end(format_args!(
                "a timer is cancelled whose function never returns: its machine got stuck"
            ));
        }
        if elsewhere {
            // Another machine's function does not wait for us.
            barrier::back_off(&mut tries);
        }
        task::relax();
    }
}

/// Moves the expiry past `now` by as many intervals as it takes, and returns their number: 0 if it
/// is past `now` already. From the timer's function, or while the timer is stopped.
pub unsafe fn hrtimer_forward(timer: *mut hrtimer, now: ktime_t, interval: ktime_t) -> u64 {
    let lock = queue::lock();
    // SAFETY: `timer` is initialised: the caller's guarantee. The lock is held.
    let (expires, queued) = unsafe { (&(*timer).expires, queue::queued(timer)) };
    drop(lock);
    let late = now.saturating_sub(expires.load(Relaxed));
    if late < 0 || WARN_ON!(queued) {
        return 0;
    }
    let interval = interval.max(1);
    let intervals = late / interval + 1;
    let moved = intervals.saturating_mul(interval);
    expires.store(expires.load(Relaxed).saturating_add(moved), Relaxed);
    intervals.unsigned_abs()
}

/// When the timer is due, or was: nanoseconds of its clock. From any context.
pub unsafe fn hrtimer_get_expires(timer: *const hrtimer) -> ktime_t {
    // SAFETY: `timer` is initialised: the caller's guarantee.
    unsafe { &(*timer).expires }.load(Relaxed)
}
