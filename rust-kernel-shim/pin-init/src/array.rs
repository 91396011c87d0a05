// SPDX-License-Identifier: GPL-2.0-only

//! Initialisers of arrays.
//!
//! C header: none.

use crate::{__internal::Invariant, Init, PinInit};
use core::{marker::PhantomData, mem, ptr};

/// Makes the elements in their order, each by an initialiser of its own.
struct ArrayInit<T, F>(F, Invariant<T>);

/// The elements that are made.
///
/// # Invariants
///
/// The first `len` elements from `first` on are values that belong to this guard.
struct Made<T> {
    first: *mut T,
    len: usize,
}

impl<T> Drop for Made<T> {
    #[inline]
    fn drop(&mut self) {
        let made = ptr::slice_from_raw_parts_mut(self.first, self.len);
        // SAFETY: By the invariant these are values of this guard.
        unsafe { ptr::drop_in_place(made) };
    }
}

// SAFETY: All elements are made; if one fails, the guard drops those before it.
unsafe impl<T, E, F, I, const N: usize> PinInit<[T; N], E> for ArrayInit<T, F>
where
    F: FnMut(usize) -> I,
    I: PinInit<T, E>,
{
    #[inline]
    unsafe fn __init(mut self, slot: *mut [T; N]) -> Result<(), E> {
        let mut made = Made {
            first: slot.cast::<T>(),
            len: 0,
        };
        while made.len < N {
            let init = (self.0)(made.len);
            // SAFETY: The element is one of the `N` in `slot`, which is valid: the caller's
            // guarantee. It holds no value yet, and stays if `slot` does.
            unsafe { init.__init(made.first.add(made.len))? };
            // INVARIANT: This element is a value now.
            made.len += 1;
        }
        mem::forget(made);
        Ok(())
    }
}

// SAFETY: Each element may be moved, as it is made by an `Init`.
unsafe impl<T, E, F, I, const N: usize> Init<[T; N], E> for ArrayInit<T, F>
where
    F: FnMut(usize) -> I,
    I: Init<T, E>,
{
}

/// An initialiser of an array, of one for each index.
///
/// # Examples
///
/// ```
/// use pin_init::{init_array_from_fn, stack_pin_init};
///
/// stack_pin_init!(let squares: [usize; 4] = init_array_from_fn(|index| index * index));
/// assert_eq!(*squares, [0, 1, 4, 9]);
/// ```
#[inline]
pub fn init_array_from_fn<I, const N: usize, T, E>(
    make_init: impl FnMut(usize) -> I,
) -> impl Init<[T; N], E>
where
    I: Init<T, E>,
{
    ArrayInit(make_init, PhantomData)
}

/// As [`init_array_from_fn`], of values that must not be moved.
#[inline]
pub fn pin_init_array_from_fn<I, const N: usize, T, E>(
    make_init: impl FnMut(usize) -> I,
) -> impl PinInit<[T; N], E>
where
    I: PinInit<T, E>,
{
    ArrayInit(make_init, PhantomData)
}
