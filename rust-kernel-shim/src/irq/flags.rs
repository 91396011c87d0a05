// SPDX-License-Identifier: GPL-2.0-only

//! How a handler is registered.
//!
//! C header: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h).

use crate::{bindings, ffi::c_ulong};
use core::ops::{BitAnd, BitOr, Not};

/// The flags of a registration, combined with `|`.
///
/// Where there are only edges, and no suspend, many are of no meaning; a trigger by level is refused
/// with `EINVAL`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(c_ulong);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $value:ident;)*) => {
        impl Flags {
            // CAST: C has them as words of their own width.
            $( $(#[$doc])* pub const $name: Self = Self(bindings::$value as c_ulong); )*
        }
    };
}

flags! {
    /// The line triggers as it is set up.
    TRIGGER_NONE = IRQF_TRIGGER_NONE;
    /// It triggers at a rising edge.
    TRIGGER_RISING = IRQF_TRIGGER_RISING;
    /// It triggers at a falling edge.
    TRIGGER_FALLING = IRQF_TRIGGER_FALLING;
    /// It triggers while its level is high.
    TRIGGER_HIGH = IRQF_TRIGGER_HIGH;
    /// It triggers while its level is low.
    TRIGGER_LOW = IRQF_TRIGGER_LOW;
    /// The line may have other handlers, each of which tells the interrupts of its device.
    SHARED = IRQF_SHARED;
    /// It is no surprise if it may not.
    PROBE_SHARED = IRQF_PROBE_SHARED;
    /// It is a timer's.
    TIMER = IRQF_TIMER;
    /// It is one processor's.
    PERCPU = IRQF_PERCPU;
    /// It stays with its processor.
    NOBALANCING = IRQF_NOBALANCING;
    /// It is polled.
    IRQPOLL = IRQF_IRQPOLL;
    /// A line that has levels stays masked until the thread is done.
    ONESHOT = IRQF_ONESHOT;
    /// It comes during suspend too.
    NO_SUSPEND = IRQF_NO_SUSPEND;
    /// It is enabled at resume, in spite of [`NO_SUSPEND`](Self::NO_SUSPEND).
    FORCE_RESUME = IRQF_FORCE_RESUME;
    /// No thread can do its work.
    NO_THREAD = IRQF_NO_THREAD;
    /// It is enabled early at resume.
    EARLY_RESUME = IRQF_EARLY_RESUME;
    /// It comes during suspend if another handler of the line needs that.
    COND_SUSPEND = IRQF_COND_SUSPEND;
    /// The line is not enabled by the registration.
    NO_AUTOEN = IRQF_NO_AUTOEN;
    /// It is not looked for interrupts that run away.
    NO_DEBUG = IRQF_NO_DEBUG;
}

impl Flags {
    /// As C has them.
    pub(crate) fn into_inner(self) -> c_ulong {
        self.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}
