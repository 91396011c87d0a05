// SPDX-License-Identifier: GPL-2.0-only

//! Initialisers with code that runs after them.
//!
//! C header: none.

use crate::{
    __internal::{Invariant, Movable, Pinned, Place},
    Init, PinInit,
};
use core::{marker::PhantomData, mem, pin::Pin};

/// What [`PinInit::pin_chain`] returns.
pub struct ChainPinInit<I, F, T: ?Sized, E>(I, F, Invariant<T>, Invariant<E>);

/// What [`Init::chain`] returns.
pub struct ChainInit<I, F, T: ?Sized, E>(I, F, Invariant<T>, Invariant<E>);

impl<I, F, T: ?Sized, E> ChainPinInit<I, F, T, E> {
    pub(crate) const fn new(init: I, then: F) -> Self {
        Self(init, then, PhantomData, PhantomData)
    }
}

impl<I, F, T: ?Sized, E> ChainInit<I, F, T, E> {
    pub(crate) const fn new(init: I, then: F) -> Self {
        Self(init, then, PhantomData, PhantomData)
    }
}

// SAFETY: The first initialiser makes the value; if the second fails, the guard drops it.
unsafe impl<I, F, T: ?Sized, E> PinInit<T, E> for ChainPinInit<I, F, T, E>
where
    I: PinInit<T, E>,
    F: FnOnce(Pin<&mut T>) -> Result<(), E>,
{
    #[inline]
    unsafe fn __init(self, slot: *mut T) -> Result<(), E> {
        // SAFETY: `slot` is valid and holds no value, and stays: the caller's guarantee.
        let mut made = unsafe { Place::<Pinned, T>::new(slot) }.init(self.0)?;
        (self.1)(made.get())?;
        mem::forget(made);
        Ok(())
    }
}

// SAFETY: The first initialiser makes the value; if the second fails, the guard drops it.
unsafe impl<I, F, T: ?Sized, E> PinInit<T, E> for ChainInit<I, F, T, E>
where
    I: Init<T, E>,
    F: FnOnce(&mut T) -> Result<(), E>,
{
    #[inline]
    unsafe fn __init(self, slot: *mut T) -> Result<(), E> {
        // SAFETY: `slot` is valid and holds no value: the caller's guarantee.
        let mut made = unsafe { Place::<Movable, T>::new(slot) }.init(self.0)?;
        (self.1)(made.get())?;
        mem::forget(made);
        Ok(())
    }
}

// SAFETY: What the first makes may be moved, and the second has no pinned reference.
unsafe impl<I, F, T: ?Sized, E> Init<T, E> for ChainInit<I, F, T, E>
where
    I: Init<T, E>,
    F: FnOnce(&mut T) -> Result<(), E>,
{
}
