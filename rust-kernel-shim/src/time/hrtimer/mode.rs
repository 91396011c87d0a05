// SPDX-License-Identifier: GPL-2.0-only

//! Modes of timers: the kind of expiry, and the context in which the function runs.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h).

use super::super::{ClockSource, Delta, Instant};
use crate::bindings;
use core::marker::PhantomData;

/// An expiry with which a timer can be started.
pub trait HrTimerExpires {
    /// Returns C's nanoseconds: a point in time or a span, as the [`HrTimerMode`] says.
    fn as_nanos(&self) -> i64;
}

impl<C: ClockSource> HrTimerExpires for Instant<C> {
    #[inline]
    fn as_nanos(&self) -> i64 {
        Instant::as_nanos(self)
    }
}

impl HrTimerExpires for Delta {
    #[inline]
    fn as_nanos(&self) -> i64 {
        Delta::as_nanos(*self)
    }
}

mod private {
    pub trait Sealed {}
}

/// A mode of a timer.
pub trait HrTimerMode: private::Sealed {
    /// C's number of it.
    const C_MODE: bindings::hrtimer_mode;

    /// The clock that counts.
    type Clock: ClockSource;

    /// The expiry with which the timer is started.
    type Expires: HrTimerExpires;
}

macro_rules! modes {
    ($($(#[$doc:meta])* $name:ident: $expires:ty = $mode:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name<C: ClockSource>(PhantomData<C>);

        impl<C: ClockSource> private::Sealed for $name<C> {}

        impl<C: ClockSource> HrTimerMode for $name<C> {
            const C_MODE: bindings::hrtimer_mode = bindings::$mode;

            type Clock = C;
            type Expires = $expires;
        }
    )*};
}

modes! {
    /// At a point in time; the function runs in a hard interrupt.
    AbsoluteMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS;
    /// After a span of time; the function runs in a hard interrupt.
    RelativeMode: Delta = hrtimer_mode_HRTIMER_MODE_REL;
    /// As [`AbsoluteMode`], on the CPU that starts the timer.
    AbsolutePinnedMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_PINNED;
    /// As [`RelativeMode`], on the CPU that starts the timer.
    RelativePinnedMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_PINNED;
    /// As [`AbsoluteMode`], but in a soft interrupt.
    AbsoluteSoftMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_SOFT;
    /// As [`RelativeMode`], but in a soft interrupt.
    RelativeSoftMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_SOFT;
    /// As [`AbsolutePinnedMode`], but in a soft interrupt.
    AbsolutePinnedSoftMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_PINNED_SOFT;
    /// As [`RelativePinnedMode`], but in a soft interrupt.
    RelativePinnedSoftMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_PINNED_SOFT;
    /// As [`AbsoluteMode`], in a hard interrupt on `PREEMPT_RT` as well.
    AbsoluteHardMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_HARD;
    /// As [`RelativeMode`], in a hard interrupt on `PREEMPT_RT` as well.
    RelativeHardMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_HARD;
    /// As [`AbsolutePinnedMode`], in a hard interrupt on `PREEMPT_RT` as well.
    AbsolutePinnedHardMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_PINNED_HARD;
    /// As [`RelativePinnedMode`], in a hard interrupt on `PREEMPT_RT` as well.
    RelativePinnedHardMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_PINNED_HARD;
}
