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

/// The address of a field of `Self`, with the compiler's word that it is one: not one of a value that it
/// leads to, and aligned.
#[macro_export]
#[doc(hidden)]
macro_rules! __own_field {
    ($mutability:ident $ptr:ident $(.$field:ident)*) => {{
        if false {
            let _: usize = ::core::mem::offset_of!(Self, $($field).*);
            // SAFETY: Never runs.
            let _ = unsafe { &(*$ptr)$(.$field)* };
        }
        // SAFETY: The caller says that the pointer is valid.
        unsafe { &raw $mutability (*$ptr)$(.$field)* }
    }};
}
