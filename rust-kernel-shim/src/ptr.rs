// SPDX-License-Identifier: GPL-2.0-only

//! Alignments, and sizes of what pointers lead to.
//!
//! C header: none.

use core::num::NonZero;

/// An alignment: a power of two.
///
/// # Invariants
///
/// It is one.
///
/// # Examples
///
/// ```
/// use kernel::ptr::Alignment;
///
/// assert_eq!(Alignment::new::<8>(), Alignment::of::<u64>());
/// assert_eq!(Alignment::new_checked(12), None);
/// assert_eq!((Alignment::new::<8>().log2(), Alignment::new::<8>().mask()), (3, !7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Alignment(NonZero<usize>);

impl Alignment {
    /// That of `ALIGN` bytes; fails the build unless that is a power of two.
    #[inline(always)]
    pub const fn new<const ALIGN: usize>() -> Self {
        const { Self::new_checked(ALIGN).expect("an alignment is a power of two") }
    }

    /// That of `align` bytes, if it is a power of two.
    #[inline(always)]
    pub const fn new_checked(align: usize) -> Option<Self> {
        match NonZero::new(align) {
            // INVARIANT: As just seen.
            Some(align) if align.is_power_of_two() => Some(Self(align)),
            _ => None,
        }
    }

    /// That of a type.
    #[inline(always)]
    pub const fn of<T>() -> Self {
        const { Self::new_checked(align_of::<T>()).expect("an alignment is a power of two") }
    }

    /// Returns the number of bytes.
    #[inline(always)]
    pub const fn as_usize(self) -> usize {
        self.0.get()
    }

    /// Returns the number of bytes.
    #[inline(always)]
    pub const fn as_nonzero(self) -> NonZero<usize> {
        self.0
    }

    /// Returns the power of two that it is.
    #[inline(always)]
    pub const fn log2(self) -> u32 {
        self.0.ilog2()
    }

    /// Returns the bits that are kept of an address to align it.
    #[inline(always)]
    pub const fn mask(self) -> usize {
        !(self.as_usize() - 1)
    }
}

/// An integer that can be aligned.
///
/// # Examples
///
/// ```
/// use kernel::ptr::{const_align_up, Alignable, Alignment};
///
/// let four = Alignment::new::<4>();
/// assert_eq!((7_u8.align_down(four), 7_u8.align_up(four)), (4, Some(8)));
/// assert_eq!(253_u8.align_up(four), None);
/// // An alignment that the type has not.
/// let page = Alignment::new::<4096>();
/// assert_eq!((7_u8.align_down(page), 7_u8.align_up(page)), (0, None));
/// assert_eq!(0_u8.align_up(page), Some(0));
/// const PAGE: Option<usize> = const_align_up(1, Alignment::new::<4096>());
/// assert_eq!(PAGE, Some(4096));
/// ```
pub trait Alignable: Sized {
    /// The greatest that is aligned and no greater.
    fn align_down(self, alignment: Alignment) -> Self;

    /// The least that is aligned and no less, if the type has it.
    fn align_up(self, alignment: Alignment) -> Option<Self>;
}

macro_rules! alignable {
    ($($type:ty)*) => {$(
        impl Alignable for $type {
            #[inline(always)]
            fn align_down(self, alignment: Alignment) -> Self {
                // If it has no such alignment, 0 is all that is aligned.
                <$type>::try_from(alignment.as_usize()).map_or(0, |align| self & !(align - 1))
            }

            #[inline(always)]
            fn align_up(self, alignment: Alignment) -> Option<Self> {
                let down = self.align_down(alignment);
                if down == self {
                    return Some(self);
                }
                down.checked_add(alignment.as_usize().try_into().ok()?)
            }
        }
    )*};
}

alignable!(u8 u16 u32 u64 usize);

/// As [`Alignable::align_up`], for constants.
#[inline(always)]
pub const fn const_align_up(value: usize, align: Alignment) -> Option<usize> {
    match value.checked_add(align.as_usize() - 1) {
        Some(value) => Some(value & align.mask()),
        None => None,
    }
}

/// A type of which a pointer knows the size, even one to nothing.
pub trait KnownSize {
    /// The least size, in bytes.
    const MIN_SIZE: usize;

    /// The least alignment.
    const MIN_ALIGN: Alignment;

    /// Returns the size of what a pointer leads to, in bytes.
    fn size(p: *const Self) -> usize;
}

impl<T> KnownSize for T {
    const MIN_SIZE: usize = size_of::<T>();
    const MIN_ALIGN: Alignment = Alignment::of::<T>();

    #[inline(always)]
    fn size(_: *const Self) -> usize {
        size_of::<T>()
    }
}

impl<T> KnownSize for [T] {
    const MIN_SIZE: usize = 0;
    const MIN_ALIGN: Alignment = Alignment::of::<T>();

    #[inline(always)]
    fn size(p: *const Self) -> usize {
        p.len() * size_of::<T>()
    }
}
