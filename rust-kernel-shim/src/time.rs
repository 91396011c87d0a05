// SPDX-License-Identifier: GPL-2.0-only

//! Clocks, points in time, and spans between them.
//!
//! C headers: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h), [`include/linux/ktime.h`](srctree/include/linux/ktime.h) and
//! [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h).

use crate::{
    bindings,
    ffi::{c_uint, c_ulong},
};
use core::{marker::PhantomData, ops};

pub mod delay;
mod delta;
pub mod hrtimer;

pub use delta::{Delta, Jiffy, Nsec, TimeUnit};

/// The number of nanoseconds in a microsecond.
pub const NSEC_PER_USEC: i64 = 1_000;

/// The number of nanoseconds in a millisecond.
pub const NSEC_PER_MSEC: i64 = 1_000_000;

/// The number of nanoseconds in a second.
pub const NSEC_PER_SEC: i64 = 1_000_000_000;

/// A span of time, in ticks of the timer interrupt.
pub type Jiffies = c_ulong;

/// A span of time, in milliseconds.
pub type Msecs = c_uint;

/// Returns the number of jiffies in `msecs` milliseconds, rounded up.
#[doc(alias = "__msecs_to_jiffies")]
#[inline]
pub fn msecs_to_jiffies(msecs: Msecs) -> Jiffies {
    // SAFETY: `__msecs_to_jiffies()` has no preconditions.
    unsafe { bindings::__msecs_to_jiffies(msecs) }
}

/// C's number of a clock.
type ClockId = crate::ffi::c_int;

/// A clock.
///
/// # Safety
///
/// [`Self::ktime_get`] does not return negative values.
pub unsafe trait ClockSource {
    /// The clock's number, as `clock_gettime(2)` has it.
    const ID: ClockId;

    /// The time now, in nanoseconds since the clock's zero.
    fn ktime_get() -> bindings::ktime_t;
}

macro_rules! clocks {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $get:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        // SAFETY: The kernel's clocks start at zero, and are not set to less.
        unsafe impl ClockSource for $name {
            const ID: ClockId = $id;

            fn ktime_get() -> bindings::ktime_t {
                // SAFETY: Any context may read a clock.
                unsafe { bindings::$get() }
            }
        }
    )*};
}

clocks! {
    /// Since boot, without the time asleep; never goes back.
    #[doc(alias = "CLOCK_MONOTONIC")]
    Monotonic = 1, ktime_get;
    /// Since 1970; may be set.
    #[doc(alias = "CLOCK_REALTIME")]
    RealTime = 0, ktime_get_real;
    /// Since boot, with the time asleep; never goes back.
    #[doc(alias = "CLOCK_BOOTTIME")]
    BootTime = 7, ktime_get_boottime;
    /// International atomic time: as [`RealTime`], without leap seconds.
    #[doc(alias = "CLOCK_TAI")]
    Tai = 11, ktime_get_clocktai;
}

/// A point in time by the clock `C`.
///
/// # Invariants
///
/// `nanos` is not negative.
///
/// # Examples
///
/// ```
/// use kernel::time::{Delta, Instant, Monotonic};
///
/// let start = Instant::<Monotonic>::now();
/// let later = start + Delta::from_millis(2);
/// assert_eq!((later - start).as_millis(), 2);
/// ```
#[repr(transparent)]
#[derive(PartialEq, PartialOrd, Eq, Ord)]
pub struct Instant<C: ClockSource> {
    nanos: bindings::ktime_t,
    _clock: PhantomData<C>,
}

impl<C: ClockSource> Clone for Instant<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: ClockSource> Copy for Instant<C> {}

impl<C: ClockSource> Instant<C> {
    /// The time now.
    #[inline]
    pub fn now() -> Self {
        // SAFETY: A `ClockSource` returns nothing negative.
        unsafe { Self::from_ktime(C::ktime_get()) }
    }

    /// Returns the time since then.
    #[inline]
    pub fn elapsed(&self) -> Delta {
        Self::now() - *self
    }

    /// In nanoseconds since the clock's zero.
    #[inline]
    pub(crate) fn as_nanos(&self) -> i64 {
        self.nanos
    }

    /// From C's representation.
    ///
    /// # Safety
    ///
    /// `ktime` is not negative.
    #[inline]
    pub(crate) unsafe fn from_ktime(ktime: bindings::ktime_t) -> Self {
        debug_assert!(ktime >= 0);
        // INVARIANT: The caller says that `ktime` is not negative.
        Instant {
            nanos: ktime,
            _clock: PhantomData,
        }
    }

    /// Moved by `delta`.
    ///
    /// # Panics
    ///
    /// In a debug build, if the result is negative or too large.
    fn moved(nanos: Option<i64>, wrapped: i64) -> Self {
        debug_assert!(nanos.is_some_and(|nanos| nanos >= 0));
        // INVARIANT: Checked above where a kernel with overflow checks does.
        Instant {
            nanos: wrapped,
            _clock: PhantomData,
        }
    }
}

impl<C: ClockSource> ops::Sub for Instant<C> {
    type Output = Delta;

    #[inline]
    fn sub(self, other: Instant<C>) -> Delta {
        // Neither is negative, so that this does not overflow.
        Delta::from_nanos(self.nanos - other.nanos)
    }
}

impl<C: ClockSource> ops::Add<Delta> for Instant<C> {
    type Output = Self;

    #[inline]
    fn add(self, rhs: Delta) -> Self {
        let rhs = rhs.as_nanos();
        Self::moved(self.nanos.checked_add(rhs), self.nanos.wrapping_add(rhs))
    }
}

impl<C: ClockSource> ops::Sub<Delta> for Instant<C> {
    type Output = Self;

    #[inline]
    fn sub(self, rhs: Delta) -> Self {
        let rhs = rhs.as_nanos();
        Self::moved(self.nanos.checked_sub(rhs), self.nanos.wrapping_sub(rhs))
    }
}
