// SPDX-License-Identifier: GPL-2.0-only

//! Initialisers.
//!
//! C header: none.

use crate::{
    __internal::{Invariant, OnlyCallFromDrop, PinData},
    chain::{ChainInit, ChainPinInit},
};
use core::{convert::Infallible, marker::PhantomData, pin::Pin};

/// What can make a `T` that must not be moved after, or fail with `E`.
///
/// # Safety
///
/// [`__init`](Self::__init) either returns `Ok`, and has made a value in the slot; or it returns
/// `Err` or unwinds, and the slot's memory can be freed or used for something else. It does not move
/// out of the slot what it made.
#[must_use = "an initialiser does nothing until it is run"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not initialise a value of type `{T}`",
    label = "not an initialiser of `{T}`"
)]
pub unsafe trait PinInit<T: ?Sized, E = Infallible>: Sized {
    /// Makes the value in `slot`.
    ///
    /// # Safety
    ///
    /// `slot` is valid for writes and aligned, and no value is there. After `Ok` the value stays
    /// where it is until it is dropped, unless this is an [`Init`]. After `Err` nothing uses the
    /// slot as a value.
    unsafe fn __init(self, slot: *mut T) -> Result<(), E>;

    /// Then runs `then` with the value, which is dropped if that fails.
    #[inline]
    fn pin_chain<F>(self, then: F) -> ChainPinInit<Self, F, T, E>
    where
        F: FnOnce(Pin<&mut T>) -> Result<(), E>,
    {
        ChainPinInit::new(self, then)
    }
}

/// What can make a `T`, or fail with `E`.
///
/// # Safety
///
/// The value that [`PinInit::__init`] makes may be moved.
#[must_use = "an initialiser does nothing until it is run"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not initialise a value of type `{T}` that may be moved",
    label = "not an initialiser of `{T}` without `#[pin]`",
    note = "a lock, a timer, work and all else that must not move wants `#[pin]` at its field, `#[pin_data]` at the structure, and `pin_init!`"
)]
pub unsafe trait Init<T: ?Sized, E = Infallible>: PinInit<T, E> {
    /// Then runs `then` with the value, which is dropped if that fails.
    #[inline]
    fn chain<F>(self, then: F) -> ChainInit<Self, F, T, E>
    where
        F: FnOnce(&mut T) -> Result<(), E>,
    {
        ChainInit::new(self, then)
    }
}

// SAFETY: The value is moved to the slot.
unsafe impl<T> PinInit<T> for T {
    #[inline]
    unsafe fn __init(self, slot: *mut T) -> Result<(), Infallible> {
        // SAFETY: `slot` is valid for writes and aligned: the caller's guarantee.
        unsafe { slot.write(self) };
        Ok(())
    }
}

// SAFETY: The value was moved to the slot, and may be moved again.
unsafe impl<T> Init<T> for T {}

// SAFETY: The value, if there is one, is moved to the slot.
unsafe impl<T, E> PinInit<T, E> for Result<T, E> {
    #[inline]
    unsafe fn __init(self, slot: *mut T) -> Result<(), E> {
        let value = self?;
        // SAFETY: `slot` is valid for writes and aligned: the caller's guarantee.
        unsafe { slot.write(value) };
        Ok(())
    }
}

// SAFETY: The value was moved to the slot, and may be moved again.
unsafe impl<T, E> Init<T, E> for Result<T, E> {}

/// Runs an initialiser that cannot fail.
///
/// # Safety
///
/// As of [`PinInit::__init`].
#[inline]
pub unsafe fn raw_init<T>(slot: *mut T, init: impl PinInit<T>) {
    // SAFETY: The caller's guarantees are those of `__init()`.
    match unsafe { init.__init(slot) } {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Runs an initialiser.
///
/// # Safety
///
/// As of [`PinInit::__init`].
#[inline]
pub unsafe fn raw_try_init<T, E>(slot: *mut T, init: impl PinInit<T, E>) -> Result<(), E> {
    // SAFETY: The caller's guarantees are those of `__init()`.
    unsafe { init.__init(slot) }
}

/// What happens when a structure with `#[pin_data(PinnedDrop)]` is dropped.
///
/// # Safety
///
/// It is implemented by [`pinned_drop`](crate::pinned_drop), which makes that safe.
pub unsafe trait PinnedDrop: PinData {
    /// Called before the fields are dropped; the macro adds `token`, without which no code calls it.
    fn drop(self: Pin<&mut Self>, token: OnlyCallFromDrop);
}

/// An initialiser that is a closure.
pub(crate) struct InitClosure<T: ?Sized, F>(F, Invariant<T>);

impl<T: ?Sized, F> InitClosure<T, F> {
    /// # Safety
    ///
    /// The closure does what [`PinInit::__init`] has to do. If the value must not be moved after,
    /// the caller makes only the implementation of [`PinInit`] known.
    #[inline]
    pub(crate) const unsafe fn new(closure: F) -> Self {
        Self(closure, PhantomData)
    }
}

// SAFETY: The closure does what it has to: the guarantee of the caller of `new()`.
unsafe impl<T: ?Sized, E, F> PinInit<T, E> for InitClosure<T, F>
where
    F: FnOnce(*mut T) -> Result<(), E>,
{
    #[inline]
    unsafe fn __init(self, slot: *mut T) -> Result<(), E> {
        (self.0)(slot)
    }
}

// SAFETY: The value may be moved, where this is known: the guarantee of the caller of `new()`.
unsafe impl<T: ?Sized, E, F> Init<T, E> for InitClosure<T, F> where
    F: FnOnce(*mut T) -> Result<(), E>
{
}
