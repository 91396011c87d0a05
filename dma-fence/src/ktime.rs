// SPDX-License-Identifier: GPL-2.0-only
//! Points in time, for deadlines and timestamps.
//!
//! C header: [`include/linux/ktime.h`](srctree/include/linux/ktime.h)

use super::bindings;
use core::ops::{
    Add,
    Sub, //
};
use kernel::time::Delta;

// UNTIL(instant): `Instant` can be made of a number of nanoseconds, and returns it.
/// A point in time on `CLOCK_MONOTONIC`, in nanoseconds since boot.
///
/// It takes the place of `kernel::time::Instant<Monotonic>`: outside of the kernel's own crate
/// an `Instant` can be made of nothing but the present, and does not return its number.
///
/// # Examples
///
/// ```
/// use dma_fence::Ktime;
/// use kernel::time::Delta;
///
/// let vblank = Ktime::now() + Delta::from_millis(16);
/// assert!(vblank - Ktime::now() <= Delta::from_millis(16));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[doc(alias = "ktime_t")]
pub struct Ktime(bindings::ktime_t);

impl Ktime {
    /// The present. From any context.
    #[doc(alias = "ktime_get")]
    pub fn now() -> Self {
        // SAFETY: Reading the clock has no preconditions.
        Self(unsafe { bindings::ktime_get() })
    }

    /// The point `ns` nanoseconds after boot.
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

impl Add<Delta> for Ktime {
    type Output = Self;

    fn add(self, delta: Delta) -> Self {
        Self(self.0.saturating_add(delta.as_nanos()))
    }
}

impl Sub for Ktime {
    type Output = Delta;

    fn sub(self, other: Self) -> Delta {
        Delta::from_nanos(self.0.saturating_sub(other.0))
    }
}
