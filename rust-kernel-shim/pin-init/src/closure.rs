// SPDX-License-Identifier: GPL-2.0-only

//! Initialisers of closures and of other initialisers.
//!
//! C header: none.

use crate::{init::InitClosure, Init, PinInit};
use core::mem::MaybeUninit;

/// An initialiser of a closure.
///
/// # Safety
///
/// The closure does with the slot what [`PinInit::__init`] does.
#[inline]
pub const unsafe fn pin_init_from_closure<T: ?Sized, E>(
    closure: impl FnOnce(*mut T) -> Result<(), E>,
) -> impl PinInit<T, E> {
    // SAFETY: The caller's guarantee; the caller learns of `PinInit` only.
    unsafe { InitClosure::new(closure) }
}

/// As [`pin_init_from_closure`], of a value that may be moved.
///
/// # Safety
///
/// The closure does with the slot what [`PinInit::__init`] of an [`Init`] does.
#[inline]
pub const unsafe fn init_from_closure<T: ?Sized, E>(
    closure: impl FnOnce(*mut T) -> Result<(), E>,
) -> impl Init<T, E> {
    // SAFETY: The caller's guarantee; the value may be moved.
    unsafe { InitClosure::new(closure) }
}

/// An initialiser of a `U` that makes a `T` in its place.
///
/// # Safety
///
/// A pointer to memory for a `U` is one to memory for a `T`, and a `T` there is a `U`.
#[inline]
pub const unsafe fn cast_pin_init<T, U, E>(init: impl PinInit<T, E>) -> impl PinInit<U, E> {
    let closure = |slot: *mut U| {
        // SAFETY: The memory is good for a `T`: the guarantee of the caller of `cast_pin_init()`.
        unsafe { init.__init(slot.cast()) }
    };
    // SAFETY: A `T` there is a `U`: the same guarantee.
    unsafe { pin_init_from_closure(closure) }
}

/// As [`cast_pin_init`], of a value that may be moved.
///
/// # Safety
///
/// As of [`cast_pin_init`].
#[inline]
pub const unsafe fn cast_init<T, U, E>(init: impl Init<T, E>) -> impl Init<U, E> {
    let closure = |slot: *mut U| {
        // SAFETY: The memory is good for a `T`: the guarantee of the caller of `cast_init()`.
        unsafe { init.__init(slot.cast()) }
    };
    // SAFETY: A `T` there is a `U`: the same guarantee. It may be moved, as what an `Init` makes.
    unsafe { init_from_closure(closure) }
}

/// An initialiser that leaves the memory as it is.
#[inline]
pub fn uninit<T, E>() -> impl Init<MaybeUninit<T>, E> {
    // SAFETY: Any memory is a `MaybeUninit`.
    unsafe { init_from_closure(|_| Ok(())) }
}

/// An initialiser that is created when it runs, by code that may fail.
#[inline]
pub fn pin_init_scope<T, E, F, I>(make_init: F) -> impl PinInit<T, E>
where
    F: FnOnce() -> Result<I, E>,
    I: PinInit<T, E>,
{
    let closure = move |slot: *mut T| {
        let init = make_init()?;
        // SAFETY: `slot` is what the closure was given to initialise.
        unsafe { init.__init(slot) }
    };
    // SAFETY: The closure leaves `slot` alone or hands it to an initialiser.
    unsafe { pin_init_from_closure(closure) }
}

/// As [`pin_init_scope`], of a value that may be moved.
#[inline]
pub fn init_scope<T, E, F, I>(make_init: F) -> impl Init<T, E>
where
    F: FnOnce() -> Result<I, E>,
    I: Init<T, E>,
{
    let closure = move |slot: *mut T| {
        let init = make_init()?;
        // SAFETY: `slot` is what the closure was given to initialise.
        unsafe { init.__init(slot) }
    };
    // SAFETY: The closure leaves `slot` alone or passes it to an `Init`, which needs no pinning.
    unsafe { init_from_closure(closure) }
}
