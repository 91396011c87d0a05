// SPDX-License-Identifier: GPL-2.0-only

//! Spans of time.
//!
//! C header: [`include/linux/ktime.h`](srctree/include/linux/ktime.h).

use super::{NSEC_PER_MSEC, NSEC_PER_SEC, NSEC_PER_USEC};
use core::{fmt::Debug, ops};

mod private {
    pub trait Sealed {}

    impl Sealed for super::Nsec {}
    impl Sealed for super::Jiffy {}
}

/// A unit of time.
pub trait TimeUnit: private::Sealed {
    /// The integer that counts the unit.
    type Repr: Copy + Clone + PartialEq + PartialOrd + Eq + Ord + Debug;
}

/// Nanoseconds.
#[derive(Copy, Clone, PartialEq, PartialOrd, Eq, Ord, Debug)]
pub enum Nsec {}

impl TimeUnit for Nsec {
    type Repr = i64;
}

/// Ticks of the timer interrupt.
#[derive(Copy, Clone, PartialEq, PartialOrd, Eq, Ord, Debug)]
pub enum Jiffy {}

impl TimeUnit for Jiffy {
    type Repr = isize;
}

/// A span of time, possibly negative.
///
/// Arithmetic is that of integers: it overflows as theirs does.
///
/// # Examples
///
/// ```
/// use kernel::time::Delta;
///
/// let frame = Delta::from_micros(16_667);
/// assert_eq!(frame.as_millis(), 16);
/// assert_eq!(frame.as_millis_ceil(), 17);
/// assert_eq!((frame * 3) / frame, 3);
/// ```
#[derive(Copy, Clone, PartialEq, PartialOrd, Eq, Ord, Debug)]
pub struct Delta<U: TimeUnit = Nsec> {
    value: U::Repr,
}

impl Delta<Jiffy> {
    /// That many jiffies.
    #[inline]
    pub const fn from_jiffies(jiffies: isize) -> Self {
        Delta { value: jiffies }
    }

    /// In jiffies.
    #[inline]
    pub const fn as_jiffies(self) -> isize {
        self.value
    }
}

impl Delta {
    /// A span of zero.
    pub const ZERO: Self = Delta { value: 0 };

    /// That many nanoseconds.
    #[inline]
    pub const fn from_nanos(nanos: i64) -> Self {
        Delta { value: nanos }
    }

    /// That many microseconds, or as many as fit.
    #[inline]
    pub const fn from_micros(micros: i64) -> Self {
        Self::from_nanos(micros.saturating_mul(NSEC_PER_USEC))
    }

    /// That many milliseconds, or as many as fit.
    #[inline]
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_nanos(millis.saturating_mul(NSEC_PER_MSEC))
    }

    /// That many seconds, or as many as fit.
    #[inline]
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_nanos(secs.saturating_mul(NSEC_PER_SEC))
    }

    /// Returns whether the span is zero.
    #[inline]
    pub fn is_zero(self) -> bool {
        self.value == 0
    }

    /// Returns whether the span is negative.
    #[inline]
    pub fn is_negative(self) -> bool {
        self.value < 0
    }

    /// In nanoseconds.
    #[inline]
    pub const fn as_nanos(self) -> i64 {
        self.value
    }

    /// In units of `unit` nanoseconds, rounded up.
    fn ceil(self, unit: i64) -> i64 {
        // Division rounds towards zero, which is up for what is negative.
        if self.value > 0 {
            (self.value - 1) / unit + 1
        } else {
            self.value / unit
        }
    }

    /// In microseconds, rounded up.
    #[inline]
    pub fn as_micros_ceil(self) -> i64 {
        self.ceil(NSEC_PER_USEC)
    }

    /// In milliseconds, rounded towards zero.
    #[inline]
    pub fn as_millis(self) -> i64 {
        self.value / NSEC_PER_MSEC
    }

    /// In milliseconds, rounded up.
    #[inline]
    pub fn as_millis_ceil(self) -> i64 {
        self.ceil(NSEC_PER_MSEC)
    }

    /// Returns the remainder of a division by `dividend` nanoseconds.
    #[inline]
    pub fn rem_nanos(self, dividend: i32) -> Self {
        Self::from_nanos(self.value % i64::from(dividend))
    }
}

macro_rules! operators {
    ($($op:ident $fn:ident, $assign:ident $assign_fn:ident: $rhs:pat => $ty:ty, $sign:tt $nanos:expr;)*) => {$(
        impl ops::$op<$ty> for Delta {
            type Output = Self;

            #[inline]
            fn $fn(self, $rhs: $ty) -> Self {
                Self::from_nanos(self.value $sign $nanos)
            }
        }

        impl ops::$assign<$ty> for Delta {
            #[inline]
            fn $assign_fn(&mut self, rhs: $ty) {
                *self = ops::$op::$fn(*self, rhs);
            }
        }
    )*};
}

operators! {
    Add add, AddAssign add_assign: Delta { value } => Delta, + value;
    Sub sub, SubAssign sub_assign: Delta { value } => Delta, - value;
    Mul mul, MulAssign mul_assign: factor => i64, * factor;
}

impl ops::Div for Delta {
    type Output = i64;

    #[inline]
    fn div(self, rhs: Self) -> i64 {
        self.value / rhs.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        for (nanos, millis, ceil) in [
            (0, 0, 0),
            (1, 0, 1),
            (999_999, 0, 1),
            (1_000_000, 1, 1),
            (1_000_001, 1, 2),
            (-1, 0, 0),
            (-1_000_001, -1, -1),
            (i64::MIN, i64::MIN / 1_000_000, i64::MIN / 1_000_000),
        ] {
            let delta = Delta::from_nanos(nanos);
            assert_eq!((delta.as_millis(), delta.as_millis_ceil()), (millis, ceil));
        }
    }

    #[test]
    fn saturates() {
        assert_eq!(Delta::from_secs(i64::MAX).as_nanos(), i64::MAX);
        assert_eq!(Delta::from_micros(i64::MIN).as_nanos(), i64::MIN);
    }

    #[test]
    fn remainder() {
        assert_eq!(Delta::from_nanos(7).rem_nanos(4).as_nanos(), 3);
        assert_eq!(Delta::from_nanos(-7).rem_nanos(4).as_nanos(), -3);
    }
}
