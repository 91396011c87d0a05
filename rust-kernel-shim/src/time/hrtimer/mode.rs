// SPDX-License-Identifier: GPL-2.0-only

//! How a timer's expiry is meant, and in which context it runs.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h).

use super::super::{ClockSource, Delta, Instant};
use crate::bindings;
use core::marker::PhantomData;

/// What a timer can be started with.
pub trait HrTimerExpires {
    /// As C has it, in nanoseconds: a point or a span, which of the two the
    /// [`HrTimerMode`] says.
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

    /// What the timer is started with.
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
    /// At a point in time; in a hard interrupt.
    AbsoluteMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS;
    /// After a span of time; in a hard interrupt.
    RelativeMode: Delta = hrtimer_mode_HRTIMER_MODE_REL;
    /// At a point in time, on the processor that starts it.
    AbsolutePinnedMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_PINNED;
    /// After a span of time, on the processor that starts it.
    RelativePinnedMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_PINNED;
    /// At a point in time, in a soft interrupt.
    AbsoluteSoftMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_SOFT;
    /// After a span of time, in a soft interrupt.
    RelativeSoftMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_SOFT;
    /// At a point in time, on the processor that starts it, in a soft
    /// interrupt.
    AbsolutePinnedSoftMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_PINNED_SOFT;
    /// After a span of time, on the processor that starts it, in a soft
    /// interrupt.
    RelativePinnedSoftMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_PINNED_SOFT;
    /// At a point in time, in a hard interrupt also where most are threads.
    AbsoluteHardMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_HARD;
    /// After a span of time, in a hard interrupt also where most are threads.
    RelativeHardMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_HARD;
    /// At a point in time, on the processor that starts it, in a hard
    /// interrupt also where most are threads.
    AbsolutePinnedHardMode: Instant<C> = hrtimer_mode_HRTIMER_MODE_ABS_PINNED_HARD;
    /// After a span of time, on the processor that starts it, in a hard
    /// interrupt also where most are threads.
    RelativePinnedHardMode: Delta = hrtimer_mode_HRTIMER_MODE_REL_PINNED_HARD;
}
