// SPDX-License-Identifier: GPL-2.0-only

//! Initialisation in place, in memory that is allocated for it.
//!
//! C header: none. The macros for initialisers are `pin_init::pin_init!` and
//! `pin_init::init!`; [`try_pin_init!`] and [`try_init!`] differ only in their
//! default error.
//!
//! [`try_pin_init!`]: crate::try_pin_init
//! [`try_init!`]: crate::try_init

use crate::{
    alloc::{AllocError, Flags},
    error::{self, Error},
};
use pin_init::{init_from_closure, pin_init_from_closure, raw_try_init, Init, PinInit};

/// Smart pointers that allocate and initialise in one step.
pub trait InPlaceInit<T>: Sized {
    /// The pointer once its value must stay where it is.
    type PinnedSelf;

    /// Allocates and initialises a value that is pinned.
    ///
    /// May sleep if `flags` say so. Fails as the initialiser does, or without memory.
    #[cfg_attr(feature = "debug", track_caller)]
    fn try_pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self::PinnedSelf, E>
    where
        E: From<AllocError>;

    /// As [`Self::try_pin_init`], with the initialiser's error as an [`Error`].
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> error::Result<Self::PinnedSelf>
    where
        Error: From<E>,
    {
        let closure = |slot: *mut T| {
            // SAFETY: `slot` is the pinned memory to initialise.
            unsafe { raw_try_init(slot, init) }.map_err(Error::from)
        };
        // SAFETY: The closure hands `slot` to an initialiser.
        let init = unsafe { pin_init_from_closure(closure) };
        Self::try_pin_init(init, flags)
    }

    /// Allocates and initialises a value that may be moved.
    ///
    /// May sleep if `flags` say so. Fails as the initialiser does, or without memory.
    #[cfg_attr(feature = "debug", track_caller)]
    fn try_init<E>(init: impl Init<T, E>, flags: Flags) -> Result<Self, E>
    where
        E: From<AllocError>;

    /// As [`Self::try_init`], with the initialiser's error as an [`Error`].
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    fn init<E>(init: impl Init<T, E>, flags: Flags) -> error::Result<Self>
    where
        Error: From<E>,
    {
        let closure = |slot: *mut T| {
            // SAFETY: `slot` is the memory to initialise; an `Init` does not need it pinned.
            unsafe { raw_try_init(slot, init) }.map_err(Error::from)
        };
        // SAFETY: The closure passes `slot` to an `Init`.
        let init = unsafe { init_from_closure(closure) };
        Self::try_init(init, flags)
    }
}

/// An initialiser whose error is [`Error`](crate::error::Error), or that named after `?`.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
///
/// struct Buffer {
///     bytes: KVec<u8>,
///     used: usize,
/// }
///
/// let buffer = KBox::init(
///     try_init!(Buffer {
///         bytes: KVec::with_capacity(16, GFP_KERNEL)?,
///         used: 0,
///     }),
///     GFP_KERNEL,
/// )?;
/// assert!(buffer.bytes.capacity() >= 16);
/// # assert_eq!(buffer.used, 0);
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! try_init {
    ($($args:tt)*) => {
        ::pin_init::init!(#[default_error($crate::error::Error)] $($args)*)
    };
}

/// A pinned initialiser whose error is [`Error`](crate::error::Error), or that named after `?`.
///
/// # Examples
///
/// ```
/// use kernel::{new_mutex, prelude::*, sync::Mutex};
///
/// #[pin_data]
/// struct Counter {
///     #[pin]
///     value: Mutex<u64>,
///     name: KBox<u8>,
/// }
///
/// let counter = KBox::pin_init(
///     try_pin_init!(Counter {
///         value <- new_mutex!(1),
///         name: KBox::new(b'c', GFP_KERNEL)?,
///     }),
///     GFP_KERNEL,
/// )?;
/// *counter.value.lock() += 1;
/// assert_eq!(*counter.value.lock(), 2);
/// # assert_eq!(*counter.name, b'c');
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! try_pin_init {
    ($($args:tt)*) => {
        ::pin_init::pin_init!(#[default_error($crate::error::Error)] $($args)*)
    };
}
