// SPDX-License-Identifier: GPL-2.0-only

//! The layout of arrays.

use core::{alloc::Layout, marker::PhantomData};

/// An array would be larger than memory can be.
pub struct LayoutError;

/// The layout of an array of `T`.
///
/// # Invariants
///
/// `len` elements of `T` take at most `isize::MAX` bytes.
pub struct ArrayLayout<T> {
    len: usize,
    _element: PhantomData<fn() -> T>,
}

impl<T> Clone for ArrayLayout<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ArrayLayout<T> {}

impl<T> ArrayLayout<T> {
    /// The layout of an array without elements.
    pub const fn empty() -> Self {
        // INVARIANT: No elements take no bytes.
        Self {
            len: 0,
            _element: PhantomData,
        }
    }

    /// The layout of an array of `len` elements.
    pub const fn new(len: usize) -> Result<Self, LayoutError> {
        match len.checked_mul(size_of::<T>()) {
            // INVARIANT: The size was just checked.
            Some(size) if size <= isize::MAX as usize => Ok(Self {
                len,
                _element: PhantomData,
            }),
            _ => Err(LayoutError),
        }
    }

    /// As [`Self::new`], unchecked.
    ///
    /// # Safety
    ///
    /// `len` elements of `T` take at most `isize::MAX` bytes.
    pub const unsafe fn new_unchecked(len: usize) -> Self {
        // INVARIANT: The size fits an `isize`: the caller's guarantee.
        Self {
            len,
            _element: PhantomData,
        }
    }

    /// The number of elements.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The size in bytes.
    pub const fn size(&self) -> usize {
        self.len * size_of::<T>()
    }
}

impl<T> From<ArrayLayout<T>> for Layout {
    fn from(array: ArrayLayout<T>) -> Self {
        let layout = Layout::array::<T>(array.len);
        // SAFETY: By the invariant, these are not more than `isize::MAX` bytes.
        unsafe { layout.unwrap_unchecked() }
    }
}
