// SPDX-License-Identifier: GPL-2.0-only

//! What the macros expand to, so that a mistake is told in the words of the driver.
//!
//! C header: none.

use crate::{Init, PinInit};
use core::marker::PhantomData;

/// The initialiser of a field, as it stands behind `<-`.
pub struct InField<I, T: ?Sized, E>(I, PhantomData<fn(E) -> *mut T>);

impl<I, T: ?Sized, E> InField<I, T, E> {
    /// Takes what stands behind `<-`.
    #[inline(always)]
    pub fn new(init: I) -> Self {
        Self(init, PhantomData)
    }
}

// SAFETY: All is left to the initialiser inside.
unsafe impl<T: ?Sized, E, I: Pinned<T, E>> PinInit<T, E> for InField<I, T, E> {
    #[inline(always)]
    unsafe fn __pinned_init(self, slot: *mut T) -> Result<(), E> {
        // SAFETY: The caller's guarantees are those of this function.
        unsafe { self.0.__pinned_init(slot) }
    }
}

// SAFETY: All is left to the initialiser inside, which does not need `slot` to be pinned: it is
// `Unpinned`, and so an `Init`.
unsafe impl<T: ?Sized, E, I: Unpinned<T, E>> Init<T, E> for InField<I, T, E> {
    #[inline(always)]
    unsafe fn __init(self, slot: *mut T) -> Result<(), E> {
        // SAFETY: The caller's guarantees are those of this function.
        unsafe { self.0.__pinned_init(slot) }
    }
}

/// What initialises a field with `#[pin]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not initialise a field of type `{T}`",
    label = "the initialiser of a field is of another type"
)]
pub trait Pinned<T: ?Sized, E>: PinInit<T, E> {}

#[diagnostic::do_not_recommend]
impl<T: ?Sized, E, I: PinInit<T, E>> Pinned<T, E> for I {}

/// What initialises a field without `#[pin]`.
///
/// # Safety
///
/// It is an [`Init`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not initialise a field of type `{T}` without `#[pin]`",
    label = "the initialiser of a field without `#[pin]`",
    note = "a lock, a timer, work and all else that must not move wants `#[pin]` at its field, `#[pin_data]` at the structure, and `pin_init!`"
)]
pub unsafe trait Unpinned<T: ?Sized, E>: Pinned<T, E> {}

// SAFETY: It is an `Init`.
#[diagnostic::do_not_recommend]
unsafe impl<T: ?Sized, E, I: Init<T, E>> Unpinned<T, E> for I {}
