// SPDX-License-Identifier: GPL-2.0-only

//! Integers of fewer bits than their type has.
//!
//! C header: none.

use super::{Integer, Unsigned};
use crate::prelude::*;
use core::{
    cmp::Ordering,
    ops::{self, Deref},
};

/// Whether a value needs no more than `$bits` bits: those above are its sign, or 0.
macro_rules! fits {
    ($value:expr, $type:ty, $bits:expr) => {{
        let unused = <$type>::BITS - $bits;
        ($value << unused) >> unused == $value
    }};
}

#[inline(always)]
fn fits<T: Integer>(value: T, bits: u32) -> bool {
    fits!(value, T, bits)
}

/// A `T` of `N` bits.
///
/// # Invariants
///
/// The value fits in them, which are at least one, and no more than `T` has.
///
/// # Examples
///
/// ```
/// use kernel::num::{Bounded, TryIntoBounded};
///
/// let seven = Bounded::<u32, 4>::new::<7>();
/// assert_eq!(seven.get(), 7);
/// assert_eq!(Bounded::<u32, 4>::try_new(16), None);
/// assert_eq!(Bounded::<i8, 3>::try_new(-4).map(|n| n.get()), Some(-4));
/// assert_eq!(seven.shl::<4, 8>().get(), 0x70);
/// assert_eq!(u8::from(seven), 7);
/// let byte: Bounded<u32, 8> = 200_u8.into();
/// assert_eq!(byte.try_shrink::<4>(), None);
/// assert_eq!(300_u64.try_into_bounded(), None::<Bounded<u16, 8>>);
/// ```
///
/// A constant that does not fit fails the build:
///
/// ```compile_fail
/// let sixteen = kernel::num::Bounded::<u32, 4>::new::<16>();
/// ```
///
/// So does a number of bits that the type does not have:
///
/// ```compile_fail
/// let nothing = kernel::num::Bounded::<u32, 0>::default();
/// ```
///
/// ```compile_fail
/// let more = kernel::num::Bounded::<u8, 9>::default();
/// ```
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Hash)]
pub struct Bounded<T: Integer, const N: u32>(T);

macro_rules! constants {
    ($($type:ty)*) => {$(
        impl<const N: u32> Bounded<$type, N> {
            /// The constant `VALUE`, which must fit.
            pub const fn new<const VALUE: $type>() -> Self {
                const_assert!(fits!(VALUE, $type, N));
                // SAFETY: As just seen.
                unsafe { Self::__new(VALUE) }
            }
        }
    )*};
}

constants!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

impl<T: Integer, const N: u32> Bounded<T, N> {
    /// # Safety
    ///
    /// The value fits.
    #[inline(always)]
    const unsafe fn __new(value: T) -> Self {
        const_assert!(N != 0 && N <= T::BITS);
        // INVARIANT: The caller says that it fits.
        Self(value)
    }

    /// The value, if it fits.
    #[inline(always)]
    pub fn try_new(value: T) -> Option<Self> {
        // SAFETY: As just seen.
        fits(value, N).then(|| unsafe { Self::__new(value) })
    }

    /// The value of an expression of which the compiler sees that it fits.
    #[inline(always)]
    pub fn from_expr(expr: T) -> Self {
        build_assert!(fits(expr, N), "the value does not fit");
        // SAFETY: As just seen.
        unsafe { Self::__new(expr) }
    }

    /// Returns the value.
    #[inline(always)]
    pub const fn get(self) -> T {
        self.0
    }

    /// The same value, of at least as many bits.
    #[inline(always)]
    pub const fn extend<const M: u32>(self) -> Bounded<T, M> {
        const_assert!(M >= N);
        // SAFETY: What fits in fewer bits fits.
        unsafe { Bounded::__new(self.0) }
    }

    /// The same value, of fewer bits, if it fits.
    #[inline(always)]
    pub fn try_shrink<const M: u32>(self) -> Option<Bounded<T, M>> {
        Bounded::try_new(self.0)
    }

    /// The same value, of another type of the same signedness, which has `N` bits.
    #[inline(always)]
    pub fn cast<U>(self) -> Bounded<U, N>
    where
        U: TryFrom<T> + Integer<Signedness = T::Signedness>,
    {
        let Ok(value) = U::try_from(self.0) else {
            unreachable!("it has {N} bits");
        };
        // SAFETY: It is the same value.
        unsafe { Bounded::__new(value) }
    }

    /// The value without its lowest `SHIFT` bits.
    #[inline(always)]
    pub fn shr<const SHIFT: u32, const RES: u32>(self) -> Bounded<T, RES> {
        const_assert!(SHIFT < T::BITS && RES + SHIFT >= N);
        // SAFETY: It has so many fewer bits.
        unsafe { Bounded::__new(self.0 >> SHIFT) }
    }

    /// As [`shr`](Self::shr), if these bits are 0.
    #[inline]
    pub fn shr_exact<const SHIFT: u32, const RES: u32>(self) -> Option<Bounded<T, RES>> {
        let shifted = self.shr::<SHIFT, RES>();
        (shifted.0 << SHIFT == self.0).then_some(shifted)
    }

    /// The value with `SHIFT` zeroes below.
    #[inline(always)]
    pub fn shl<const SHIFT: u32, const RES: u32>(self) -> Bounded<T, RES> {
        const_assert!(RES >= N + SHIFT);
        // SAFETY: It has so many more bits.
        unsafe { Bounded::__new(self.0 << SHIFT) }
    }
}

impl<T: Integer + Default, const N: u32> Default for Bounded<T, N> {
    #[inline(always)]
    fn default() -> Self {
        // SAFETY: The default of an integer is 0, which fits.
        unsafe { Self::__new(T::default()) }
    }
}

impl<T: Integer, const N: u32> Deref for Bounded<T, N> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// What may be a [`Bounded`].
pub trait TryIntoBounded<T: Integer, const N: u32> {
    /// The value, if it fits.
    fn try_into_bounded(self) -> Option<Bounded<T, N>>;
}

impl<T: Integer, U: TryInto<T>, const N: u32> TryIntoBounded<T, N> for U {
    #[inline(always)]
    fn try_into_bounded(self) -> Option<Bounded<T, N>> {
        Bounded::try_new(self.try_into().ok()?)
    }
}

impl<T, U, const N: u32, const M: u32> PartialEq<Bounded<U, M>> for Bounded<T, N>
where
    T: Integer + PartialEq<U>,
    U: Integer,
{
    fn eq(&self, other: &Bounded<U, M>) -> bool {
        self.0 == other.0
    }
}

impl<T: Integer, const N: u32> Eq for Bounded<T, N> {}

impl<T, U, const N: u32, const M: u32> PartialOrd<Bounded<U, M>> for Bounded<T, N>
where
    T: Integer + PartialOrd<U>,
    U: Integer,
{
    fn partial_cmp(&self, other: &Bounded<U, M>) -> Option<Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl<T: Integer, const N: u32> Ord for Bounded<T, N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T: Integer, const N: u32> PartialEq<T> for Bounded<T, N> {
    fn eq(&self, other: &T) -> bool {
        self.0 == *other
    }
}

impl<T: Integer, const N: u32> PartialOrd<T> for Bounded<T, N> {
    fn partial_cmp(&self, other: &T) -> Option<Ordering> {
        self.0.partial_cmp(other)
    }
}

/// The operations, which make an integer of no bound.
macro_rules! operations {
    ($($trait:ident: $method:ident;)*) => {$(
        impl<T, const N: u32, const M: u32> ops::$trait<Bounded<T, M>> for Bounded<T, N>
        where
            T: Integer,
        {
            type Output = T;

            #[inline(always)]
            fn $method(self, other: Bounded<T, M>) -> T {
                ops::$trait::$method(self.0, other.0)
            }
        }

        impl<T: Integer, const N: u32> ops::$trait<T> for Bounded<T, N> {
            type Output = T;

            #[inline(always)]
            fn $method(self, other: T) -> T {
                ops::$trait::$method(self.0, other)
            }
        }
    )*};
}

operations! {
    Add: add;
    Sub: sub;
    Mul: mul;
    Div: div;
    Rem: rem;
    BitAnd: bitand;
    BitOr: bitor;
    BitXor: bitxor;
}

impl<T: Integer + ops::Neg<Output = T>, const N: u32> ops::Neg for Bounded<T, N> {
    type Output = T;

    fn neg(self) -> T {
        -self.0
    }
}

impl<T: Integer + ops::Not<Output = T>, const N: u32> ops::Not for Bounded<T, N> {
    type Output = T;

    fn not(self) -> T {
        !self.0
    }
}

macro_rules! formats {
    ($($trait:ident)*) => {$(
        impl<T: Integer + core::fmt::$trait, const N: u32> core::fmt::$trait for Bounded<T, N> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

formats!(Display Binary LowerHex UpperHex Octal LowerExp UpperExp);

/// Has at least so many bits.
#[diagnostic::on_unimplemented(message = "an integer of {N} bits may not fit")]
trait AtLeast<const N: u32> {}

/// Has at most so many bits.
#[diagnostic::on_unimplemented(message = "it may have more than {N} bits")]
trait AtMost<const N: u32> {}

macro_rules! bits {
    ($trait:ident $($least:literal)*: $($bits:literal)*) => {
        bits!(@each $trait [$($least)*] $($bits)*);
    };
    (@each $trait:ident $least:tt $($bits:literal)*) => {$(
        bits!(@one $trait $least $bits);
    )*};
    (@one $trait:ident [$($least:literal)*] $bits:literal) => {
        $(impl<T: Integer> $trait<$least> for Bounded<T, $bits> {})*
    };
}

bits!(AtLeast 8: 8 9 10 11 12 13 14 15);
bits!(AtLeast 8 16: 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
bits!(AtLeast 8 16 32: 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
bits!(AtLeast 8 16 32: 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
bits!(AtLeast 8 16 32 64: 64);
bits!(AtMost 8 16 32 64: 1 2 3 4 5 6 7 8);
bits!(AtMost 16 32 64: 9 10 11 12 13 14 15 16);
bits!(AtMost 32 64: 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
bits!(AtMost 64: 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48);
bits!(AtMost 64: 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64);

macro_rules! conversions {
    ($($type:ty)*) => {$(
        #[allow(private_bounds, reason = "each implementation is known")]
        impl<T, const N: u32> From<$type> for Bounded<T, N>
        where
            T: Integer<Signedness = <$type as Integer>::Signedness> + From<$type>,
            Self: AtLeast<{ <$type>::BITS }>,
        {
            #[inline(always)]
            fn from(value: $type) -> Self {
                // SAFETY: It has at least as many bits, says the bound.
                unsafe { Self::__new(T::from(value)) }
            }
        }

        #[allow(private_bounds, reason = "each implementation is known")]
        impl<T, const N: u32> From<Bounded<T, N>> for $type
        where
            $type: TryFrom<T>,
            T: Integer<Signedness = <$type as Integer>::Signedness>,
            Bounded<T, N>: AtMost<{ <$type>::BITS }>,
        {
            #[inline(always)]
            fn from(value: Bounded<T, N>) -> $type {
                match <$type>::try_from(value.0) {
                    Ok(value) => value,
                    Err(_) => unreachable!("it has {N} bits"),
                }
            }
        }
    )*};
}

conversions!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

impl<T: Integer<Signedness = Unsigned> + Zeroable> From<Bounded<T, 1>> for bool {
    #[inline(always)]
    fn from(value: Bounded<T, 1>) -> Self {
        value.0 != Zeroable::zeroed()
    }
}

impl<T: Integer<Signedness = Unsigned> + From<bool>, const N: u32> From<bool> for Bounded<T, N> {
    #[inline(always)]
    fn from(value: bool) -> Self {
        // SAFETY: It is 0 or 1.
        unsafe { Self::__new(T::from(value)) }
    }
}

impl<T: Integer<Signedness = Unsigned> + Zeroable> Bounded<T, 1> {
    /// Returns whether it is 1.
    #[inline(always)]
    pub fn into_bool(self) -> bool {
        self.into()
    }
}
