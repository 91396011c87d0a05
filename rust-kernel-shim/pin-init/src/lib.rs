// SPDX-License-Identifier: GPL-2.0-only

//! Linux 7.3's `pin_init`, as far as the published `pinned-init` can give it.
//!
//! C header: none; this is the counterpart of `rust/pin-init` of Linux. Names,
//! signatures and default errors are those of Linux 7.3, which is newer than
//! pinned-init 0.0.10; only what both have in common is here. The attribute
//! macros name `::pinned_init`, so a crate that uses them depends on both.

#![no_std]

#[doc(hidden)]
pub mod __internal;

pub use kernel_macros::{init, pin_init, pinned_drop};
pub use pinned_init::{
    assert_pinned, cast_init, cast_pin_init, init_array_from_fn, init_from_closure, init_zeroed,
    pin_data, pin_init_array_from_fn, pin_init_from_closure, stack_pin_init, stack_try_pin_init,
    uninit, zeroed, ChainInit, ChainPinInit, InPlaceWrite, Init, MaybeZeroable, PinInit,
    PinnedDrop, Wrapper, Zeroable, ZeroableOption,
};

/// Runs an initialiser that cannot fail.
///
/// # Safety
///
/// `slot` is valid for writes and aligned, holds nothing that needs a drop,
/// and is pinned from here on unless the initialiser implements [`Init`].
#[inline]
pub unsafe fn raw_init<T>(slot: *mut T, init: impl PinInit<T>) {
    // SAFETY: The caller's guarantees are those of `raw_try_init()`.
    match unsafe { raw_try_init(slot, init) } {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Runs an initialiser.
///
/// After an error `slot` holds nothing; its memory may be freed.
///
/// # Safety
///
/// `slot` is valid for writes and aligned, holds nothing that needs a drop,
/// and on success is pinned from here on unless the initialiser implements
/// [`Init`].
#[inline]
pub unsafe fn raw_try_init<T, E>(slot: *mut T, init: impl PinInit<T, E>) -> Result<(), E> {
    // SAFETY: `slot` is valid, aligned, and pinned as need be: the caller's guarantee.
    unsafe { init.__pinned_init(slot) }
}

/// An initialiser that is created when it runs, by code that may fail.
#[inline]
pub fn pin_init_scope<T, E, F, I>(make_init: F) -> impl PinInit<T, E>
where
    F: FnOnce() -> Result<I, E>,
    I: PinInit<T, E>,
{
    let closure = move |slot: *mut T| -> Result<(), E> {
        let init = make_init()?;
        // SAFETY: `slot` is what the closure was given to initialise.
        unsafe { raw_try_init(slot, init) }
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
    let closure = move |slot: *mut T| -> Result<(), E> {
        let init = make_init()?;
        // SAFETY: `slot` is what the closure was given to initialise.
        unsafe { raw_try_init(slot, init) }
    };
    // SAFETY: The closure leaves `slot` alone or passes it to an `Init`, which needs no pinning.
    unsafe { init_from_closure(closure) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::MaybeUninit;

    #[derive(Debug, PartialEq)]
    struct Pair {
        first: u8,
        second: u8,
    }

    fn make<E>(init: impl PinInit<Pair, E>) -> Result<Pair, E> {
        let mut slot = MaybeUninit::uninit();
        // SAFETY: The slot is valid; a `Pair` does not mind being moved.
        unsafe { raw_try_init(slot.as_mut_ptr(), init)? };
        // SAFETY: Just initialised.
        Ok(unsafe { slot.assume_init() })
    }

    #[test]
    fn errors_come_from_where_they_are() {
        let pair = |number: u16| {
            init_scope(move || {
                let second = u8::try_from(number).map_err(|_| "the scope")?;
                Ok(init!(Pair {
                    first: u8::try_from(number + 1).map_err(|_| "the field")?,
                    second,
                }? &'static str))
            })
        };
        assert_eq!(
            make(pair(1)),
            Ok(Pair {
                first: 2,
                second: 1
            })
        );
        assert_eq!(make(pair(255)), Err("the field"));
        assert_eq!(make(pair(256)), Err("the scope"));
    }

    #[test]
    fn what_cannot_fail() {
        let mut slot = 0u8;
        // SAFETY: The slot is valid.
        unsafe { raw_init(&raw mut slot, 7) };
        assert_eq!(slot, 7);
    }
}
