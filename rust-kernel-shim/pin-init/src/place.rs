// SPDX-License-Identifier: GPL-2.0-only

//! Memory that is initialised.
//!
//! C header: none.

use crate::{cast_pin_init, Init, PinInit};
use core::{cell::UnsafeCell, mem::MaybeUninit, pin::Pin};

/// An owner of memory for a `T`.
pub trait InPlaceWrite<T> {
    /// The owner of the value.
    type Initialized;

    /// Makes a value in the memory; what was there is not dropped.
    fn write_init<E>(self, init: impl Init<T, E>) -> Result<Self::Initialized, E>;

    /// Makes a value that is pinned in the memory; what was there is not dropped.
    fn write_pin_init<E>(self, init: impl PinInit<T, E>) -> Result<Pin<Self::Initialized>, E>;
}

impl<T> InPlaceWrite<T> for &'static mut MaybeUninit<T> {
    type Initialized = &'static mut T;

    #[inline]
    fn write_init<E>(self, init: impl Init<T, E>) -> Result<Self::Initialized, E> {
        // SAFETY: The memory is exclusively borrowed; an `Init` does not need it pinned.
        unsafe { init.__init(self.as_mut_ptr())? };
        // SAFETY: Just initialised.
        Ok(unsafe { self.assume_init_mut() })
    }

    #[inline]
    fn write_pin_init<E>(self, init: impl PinInit<T, E>) -> Result<Pin<Self::Initialized>, E> {
        // SAFETY: The memory is exclusively borrowed, forever; so the value stays there.
        unsafe { init.__init(self.as_mut_ptr())? };
        // SAFETY: Just initialised.
        Ok(Pin::static_mut(unsafe { self.assume_init_mut() }))
    }
}

/// A type that has one `T` in it, which is pinned with it.
pub trait Wrapper<T> {
    /// An initialiser of the whole of one of the `T`.
    fn pin_init<E>(value_init: impl PinInit<T, E>) -> impl PinInit<Self, E>;
}

impl<T> Wrapper<T> for UnsafeCell<T> {
    #[inline]
    fn pin_init<E>(value_init: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        // SAFETY: An `UnsafeCell` is in memory what is in it.
        unsafe { cast_pin_init(value_init) }
    }
}

impl<T> Wrapper<T> for MaybeUninit<T> {
    #[inline]
    fn pin_init<E>(value_init: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        // SAFETY: A `MaybeUninit` is in memory what is in it.
        unsafe { cast_pin_init(value_init) }
    }
}
