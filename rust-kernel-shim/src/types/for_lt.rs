// SPDX-License-Identifier: GPL-2.0-only

//! Types that differ in a lifetime.
//!
//! C header: none.
//!
//! A type of the kernel crate may implement the traits for itself with the lifetime `'static`, as
//! [`IoMem`](crate::io::mem::IoMem) does.

use core::marker::PhantomData;

/// A type that stands for those which differ in a lifetime; the macro of the same name makes one.
///
/// # Examples
///
/// ```
/// use kernel::types::ForLt;
///
/// struct Job<'a>(&'a u32);
///
/// fn value<F: for<'a> ForLt<Of<'a> = Job<'a>>>(job: F::Of<'_>) -> u32 {
///     *job.0
/// }
///
/// let number = 7;
/// assert_eq!(value::<ForLt!(for<'a> Job<'a>)>(Job(&number)), 7);
/// assert_eq!(value::<ForLt!(Job<'_>)>(Job(&number)), 7);
/// ```
pub trait ForLt {
    /// The one with this lifetime.
    type Of<'a>: 'a;
}

pub use macros::ForLt;

/// As [`ForLt`](trait@ForLt), of which a longer lifetime may stand for a shorter one.
///
/// # Examples
///
/// ```compile_fail
/// use kernel::types::CovariantForLt;
///
/// fn covariant<F: CovariantForLt>() {}
/// covariant::<CovariantForLt!(fn(&u32))>();
/// ```
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
pub use macros::CovariantForLt;

/// What the macros make, and nothing else: `T` is `dyn for<'a> WithLt<'a, Of = ...>`; `W` is there so that
/// the type with `'static` is well-formed; `N` is 1 if the type is covariant.
#[doc(hidden)]
pub struct UnsafeForLtImpl<T: ?Sized, W, const N: usize>(PhantomData<(W, T)>);

/// Names the type that [`UnsafeForLtImpl`] stands for.
#[doc(hidden)]
pub trait WithLt<'a> {
    type Of: 'a;
}

impl<T: ?Sized + for<'a> WithLt<'a>, W, const N: usize> ForLt for UnsafeForLtImpl<T, W, N> {
    type Of<'a> = <T as WithLt<'a>>::Of;
}

// SAFETY: Only `CovariantForLt!` has 1 there, beside a proof.
unsafe impl<T: ?Sized + for<'a> WithLt<'a>, W> CovariantForLt for UnsafeForLtImpl<T, W, 1> {}
