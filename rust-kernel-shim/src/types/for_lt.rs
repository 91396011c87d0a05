// SPDX-License-Identifier: GPL-2.0-only

//! Types that differ in a lifetime.
//!
//! C header: none.
//!
//! The macros `ForLt!` and `CovariantForLt!` of Linux are not here; a type implements the traits for
//! itself with the lifetime `'static`, as [`IoMem`](crate::io::mem::IoMem) does.

/// A type that stands for those which differ from it in a lifetime.
pub trait ForLt {
    /// The one with this lifetime.
    type Of<'a>: 'a;
}

/// As [`ForLt`], of which a longer lifetime may stand for a shorter one.
///
/// # Safety
///
/// `Of<'a>` is covariant in `'a`.
pub unsafe trait CovariantForLt: ForLt {
    /// Shortens the lifetime.
    #[inline(always)]
    fn cast_ref<'r, 'short: 'r, 'long: 'short>(long: &'r Self::Of<'long>) -> &'r Self::Of<'short> {
        let short = core::ptr::from_ref(long).cast();
        // SAFETY: The types differ in a lifetime, in which they are covariant, says the trait.
        unsafe { &*short }
    }
}
