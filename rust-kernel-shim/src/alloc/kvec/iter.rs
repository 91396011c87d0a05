// SPDX-License-Identifier: GPL-2.0-only

//! Iterators that own what they yield.

use super::Vec;
use crate::{
    alloc::{layout::ArrayLayout, Allocator, Flags},
    implement::Memory,
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
    slice,
};

/// The elements of a vector, with its memory.
///
/// # Invariants
///
/// - `buf` is from `A` with the layout `layout`, or dangles if that is empty.
/// - The `len` elements from `next` on are initialised, and within `buf`.
pub struct IntoIter<T, A: Allocator> {
    buf: NonNull<T>,
    layout: ArrayLayout<T>,
    next: *mut T,
    len: usize,
    _allocator: PhantomData<A>,
}

impl<T, A: Allocator> IntoIter<T, A> {
    /// Makes a vector of the elements that are left, in the same memory; frees what they no longer
    /// need if possible, with `flags`.
    pub fn collect(self, flags: Flags) -> Vec<T, A> {
        let this = ManuallyDrop::new(self);
        let buf = this.buf.as_ptr();
        // SAFETY: Both are within the memory, which has room for more.
        unsafe { ptr::copy(this.next, buf, this.len) };
        // SAFETY: By the invariants; the elements are at the start of the memory, and only there.
        let mut vec = unsafe { Vec::from_raw_parts(buf, this.len, this.layout.len()) };
        if !ptr::eq(this.next, buf) {
            // A failure leaves the vector as it is, with more memory than it needs.
            let _ = vec.set_capacity(this.len, flags);
        }
        vec
    }
}

impl<T, A: Allocator> Iterator for IntoIter<T, A> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let element = self.next;
        // INVARIANT: One fewer, from the next on.
        // SAFETY: There was one more element.
        self.next = unsafe { element.add(1) };
        // SAFETY: It is initialised and no longer the iterator's.
        Some(unsafe { element.read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<T, A: Allocator> Drop for IntoIter<T, A> {
    fn drop(&mut self) {
        // SAFETY: By the invariants, `buf` is from `A` with this layout; only the elements, which
        // are dropped first, are used again.
        let _memory = unsafe { Memory::<A>::new(self.buf, self.layout.into()) };
        let rest = ptr::slice_from_raw_parts_mut(self.next, self.len);
        // SAFETY: By the invariants they are initialised, and not used again.
        unsafe { ptr::drop_in_place(rest) };
    }
}

impl<T, A: Allocator> IntoIterator for Vec<T, A> {
    type Item = T;
    type IntoIter = IntoIter<T, A>;

    #[inline]
    fn into_iter(self) -> IntoIter<T, A> {
        let this = ManuallyDrop::new(self);
        // INVARIANT: By those of the vector.
        IntoIter {
            buf: this.ptr,
            layout: this.layout,
            next: this.ptr.as_ptr(),
            len: this.len,
            _allocator: PhantomData,
        }
    }
}

/// All elements of a vector that keeps its memory.
///
/// # Invariants
///
/// The elements are initialised and owned by the iterator alone.
pub struct DrainAll<'vec, T> {
    elements: slice::IterMut<'vec, T>,
}

impl<'vec, T> DrainAll<'vec, T> {
    /// `elements` are no longer the vector's.
    pub(super) fn new(elements: &'vec mut [T]) -> Self {
        DrainAll {
            elements: elements.iter_mut(),
        }
    }
}

impl<T> Iterator for DrainAll<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let element: *mut T = self.elements.next()?;
        // SAFETY: By the invariant it is initialised and ours; it is not yielded again.
        Some(unsafe { element.read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.elements.size_hint()
    }
}

impl<T> Drop for DrainAll<'_, T> {
    fn drop(&mut self) {
        let rest: *mut [T] = core::mem::take(&mut self.elements).into_slice();
        // SAFETY: By the invariant they are initialised and ours.
        unsafe { ptr::drop_in_place(rest) };
    }
}
