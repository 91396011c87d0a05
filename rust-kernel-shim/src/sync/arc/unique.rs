// SPDX-License-Identifier: GPL-2.0-only

//! A reference-counted value that has one owner so far.

use super::{new_uninit, Arc};
use crate::{
    alloc::{AllocError, Flags},
    implement::only_owner,
    init::InPlaceInit,
};
use core::{
    mem::{ManuallyDrop, MaybeUninit},
    ops::{Deref, DerefMut},
    pin::Pin,
};
use pin_init::{InPlaceWrite, Init, PinInit};

/// The only owner of a value, which it can change.
///
/// # Invariants
///
/// The reference count is 1.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::{Arc, UniqueArc}};
///
/// let mut number = UniqueArc::new(1, GFP_KERNEL)?;
/// *number += 1;
/// let number: Arc<i32> = number.into();
/// assert_eq!(*number, 2);
/// # Ok::<(), Error>(())
/// ```
pub struct UniqueArc<T: ?Sized> {
    inner: Arc<T>,
}

only_owner!(UniqueArc);

impl<T> UniqueArc<T> {
    /// Allocates memory for `value`; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        // INVARIANT: The reference count of a new one is 1.
        Ok(UniqueArc {
            inner: Arc::new(value, flags)?,
        })
    }

    /// Allocates memory and leaves it uninitialised; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new_uninit(flags: Flags) -> Result<UniqueArc<MaybeUninit<T>>, AllocError> {
        // INVARIANT: The reference count of a new one is 1.
        Ok(UniqueArc {
            inner: new_uninit(flags)?,
        })
    }
}

impl<T: ?Sized> UniqueArc<T> {
    /// # Safety
    ///
    /// There is no other owner.
    pub(super) unsafe fn from_last(inner: Arc<T>) -> Self {
        // INVARIANT: There is no other owner: the caller's guarantee.
        UniqueArc { inner }
    }

    /// A pointer to the value.
    #[inline]
    pub fn as_ptr(this: &Self) -> *const T {
        Arc::as_ptr(&this.inner)
    }
}

impl<T> UniqueArc<MaybeUninit<T>> {
    /// Initialises with `value`.
    pub fn write(mut self, value: T) -> UniqueArc<T> {
        self.deref_mut().write(value);
        // SAFETY: Just written.
        unsafe { self.assume_init() }
    }

    /// Declares the value initialised.
    ///
    /// # Safety
    ///
    /// The value is initialised.
    pub unsafe fn assume_init(self) -> UniqueArc<T> {
        let inner = ManuallyDrop::new(self).inner.ptr.cast();
        // INVARIANT: The reference count is still 1.
        UniqueArc {
            // SAFETY: This owner was forgotten above; a `MaybeUninit` has the same layout.
            inner: unsafe { Arc::from_inner(inner) },
        }
    }

    /// Initialises in place. Fails with the error of `init`.
    #[inline]
    pub fn init_with<E>(self, init: impl Init<T, E>) -> Result<UniqueArc<T>, E> {
        self.write_init(init)
    }

    /// Initialises in place and pins. Fails with the error of `init`.
    #[inline]
    pub fn pin_init_with<E>(self, init: impl PinInit<T, E>) -> Result<Pin<UniqueArc<T>>, E> {
        self.write_pin_init(init)
    }
}

impl<T: ?Sized> From<UniqueArc<T>> for Arc<T> {
    fn from(item: UniqueArc<T>) -> Self {
        item.inner
    }
}

impl<T: ?Sized> From<Pin<UniqueArc<T>>> for Arc<T> {
    fn from(item: Pin<UniqueArc<T>>) -> Self {
        // SAFETY: The value stays pinned in an `Arc`.
        unsafe { Pin::into_inner_unchecked(item) }.inner
    }
}

impl<T: ?Sized> Deref for UniqueArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for UniqueArc<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: There is no other owner, by the invariant.
        unsafe { &mut self.inner.ptr.as_mut().data }
    }
}
