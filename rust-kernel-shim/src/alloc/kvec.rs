// SPDX-License-Identifier: GPL-2.0-only

//! Arrays that grow, with the allocation flags of the caller.
//!
//! C header: [`include/linux/slab.h`](srctree/include/linux/slab.h).

use super::{
    allocator::{KVmalloc, Kmalloc, Vmalloc, VmallocPageIter},
    flags::__GFP_ZERO,
    layout::ArrayLayout,
    AllocError, Allocator, Flags, NumaNode,
};
use crate::{implement::Memory, page::AsPageIter};
use core::{
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ptr::{self, NonNull},
    slice,
};
use pin_init::Zeroable;

mod errors;
mod iter;
mod traits;

pub use self::errors::{InsertError, PushError, RemoveError};
pub use self::iter::{DrainAll, IntoIter};

/// Makes a [`KVec`] with `GFP_KERNEL`; may sleep.
///
/// # Examples
///
/// ```
/// use kernel::{kvec, prelude::*};
///
/// let mut numbers = kvec![1, 2]?;
/// numbers.push(3, GFP_KERNEL)?;
/// assert_eq!(numbers, [1, 2, 3]);
/// assert_eq!(kvec![7; 2]?, [7, 7]);
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! kvec {
    () => {
        $crate::alloc::KVec::new()
    };
    ($elem:expr; $n:expr) => {
        $crate::alloc::KVec::from_elem($elem, $n, GFP_KERNEL)
    };
    ($($x:expr),+ $(,)?) => {
        match $crate::alloc::KBox::new_uninit(GFP_KERNEL) {
            Ok(memory) => Ok($crate::alloc::KVec::from($crate::alloc::KBox::write(
                memory,
                [$($x),+],
            ))),
            Err(error) => Err(error),
        }
    };
}

/// An array that grows, with the allocation flags of the caller.
///
/// # Invariants
///
/// - `ptr` is from `A` with the layout `layout`, or dangles if that is empty.
/// - The first `len` elements are initialised; `len` is at most the capacity.
/// - If `T` has no size, `layout` is empty and the capacity is `usize::MAX`.
pub struct Vec<T, A: Allocator> {
    ptr: NonNull<T>,
    layout: ArrayLayout<T>,
    len: usize,
    _allocator: PhantomData<A>,
}

/// A [`Vec`] of contiguous memory.
pub type KVec<T> = Vec<T, Kmalloc>;

/// A [`Vec`] of whole pages.
pub type VVec<T> = Vec<T, Vmalloc>;

/// A [`Vec`] of contiguous memory if there is some.
pub type KVVec<T> = Vec<T, KVmalloc>;

// SAFETY: A `Vec` owns its elements.
unsafe impl<T: Send, A: Allocator> Send for Vec<T, A> {}

// SAFETY: A `Vec` owns its elements.
unsafe impl<T: Sync, A: Allocator> Sync for Vec<T, A> {}

impl<T, A: Allocator> Vec<T, A> {
    const IS_ZST: bool = size_of::<T>() == 0;

    /// Returns how many elements fit without new memory.
    pub const fn capacity(&self) -> usize {
        if Self::IS_ZST {
            usize::MAX
        } else {
            self.layout.len()
        }
    }

    /// Returns the number of elements.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Counts `additional` more elements as there.
    ///
    /// # Safety
    ///
    /// They fit the capacity and are initialised.
    #[inline]
    pub const unsafe fn inc_len(&mut self, additional: usize) {
        debug_assert!(additional <= self.capacity() - self.len);
        // INVARIANT: They are initialised: the caller's guarantee.
        self.len += additional;
    }

    /// Counts the last `count` elements as not there, and returns them.
    ///
    /// # Safety
    ///
    /// There are that many. They are now the caller's, to drop or to move.
    unsafe fn dec_len(&mut self, count: usize) -> &mut [T] {
        debug_assert!(count <= self.len);
        // INVARIANT: Fewer of them are still initialised.
        self.len -= count;
        // SAFETY: The pointer is within the allocation, or dangles with no elements.
        let first = unsafe { self.as_mut_ptr().add(self.len) };
        // SAFETY: These `count` elements are initialised and borrowed by us.
        unsafe { slice::from_raw_parts_mut(first, count) }
    }

    /// The elements.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        self
    }

    /// The elements.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }

    /// A pointer to the first element, or one that dangles.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr.as_ptr()
    }

    /// A pointer to the first element, or one that dangles.
    #[inline]
    pub const fn as_ptr(&self) -> *const T {
        self.ptr.as_ptr()
    }

    /// Whether there are no elements.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A vector without elements or memory.
    #[inline]
    pub const fn new() -> Self {
        // INVARIANT: An empty layout, no elements, a dangling pointer.
        Vec {
            ptr: NonNull::dangling(),
            layout: ArrayLayout::empty(),
            len: 0,
            _allocator: PhantomData,
        }
    }

    /// The memory behind the last element.
    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<T>] {
        let spare = self.capacity() - self.len;
        // SAFETY: The pointer is within the allocation or one past its end.
        let first = unsafe { self.as_mut_ptr().add(self.len) };
        // SAFETY: That many elements are ours; they need not be initialised.
        unsafe { slice::from_raw_parts_mut(first.cast(), spare) }
    }

    /// Appends `v`, with more memory if needed; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn push(&mut self, v: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(1, flags)?;
        // SAFETY: There is room for one more.
        unsafe { self.push_within_capacity_unchecked(v) };
        Ok(())
    }

    /// Appends `v` if there is room; never allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::prelude::*;
    ///
    /// let mut names: KVec<KBox<u8>> = KVec::new();
    /// let back = names.push_within_capacity(KBox::new(1, GFP_KERNEL)?);
    /// assert_eq!(*back.unwrap_err().0, 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn push_within_capacity(&mut self, v: T) -> Result<(), PushError<T>> {
        if self.len == self.capacity() {
            return Err(PushError(v));
        }
        // SAFETY: There is room for one more.
        unsafe { self.push_within_capacity_unchecked(v) };
        Ok(())
    }

    /// # Safety
    ///
    /// There is room for one more.
    unsafe fn push_within_capacity_unchecked(&mut self, v: T) {
        // SAFETY: There is room for one more.
        unsafe { self.spare_capacity_mut().get_unchecked_mut(0) }.write(v);
        // SAFETY: Just written.
        unsafe { self.inc_len(1) };
    }

    /// Inserts `element` before `index` if there is room; never allocates.
    pub fn insert_within_capacity(
        &mut self,
        index: usize,
        element: T,
    ) -> Result<(), InsertError<T>> {
        if index > self.len {
            return Err(InsertError::IndexOutOfBounds(element));
        }
        if self.len == self.capacity() {
            return Err(InsertError::OutOfCapacity(element));
        }
        // SAFETY: There is room for one more.
        unsafe { self.push_within_capacity_unchecked(element) };
        self[index..].rotate_right(1);
        Ok(())
    }

    /// Takes the last element.
    pub fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: There is one.
        let last: *mut T = unsafe { self.dec_len(1) }.as_mut_ptr();
        // SAFETY: It was initialised and is no longer the vector's.
        Some(unsafe { last.read() })
    }

    /// Takes the element at `i`; later ones move one down.
    pub fn remove(&mut self, i: usize) -> Result<T, RemoveError> {
        let tail = self.get_mut(i..).filter(|tail| !tail.is_empty());
        tail.ok_or(RemoveError)?.rotate_left(1);
        self.pop().ok_or(RemoveError)
    }

    /// Allocates room for `capacity` elements; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut vec = Vec::new();
        vec.reserve(capacity, flags)?;
        Ok(vec)
    }

    /// Allocates `n` elements of zero bytes; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn zeroed(n: usize, flags: Flags) -> Result<Self, AllocError>
    where
        T: Zeroable,
    {
        let mut vec = Self::with_capacity(n, flags | __GFP_ZERO)?;
        // SAFETY: The memory is zeroed, which is a value of `T`.
        unsafe { vec.inc_len(n) };
        Ok(vec)
    }

    /// Takes back what [`Self::into_raw_parts`] returned.
    ///
    /// # Safety
    ///
    /// - `ptr` is from the allocator `A` with the layout of `capacity`
    ///   elements, or dangles if there is no capacity or `T` has no size.
    /// - The first `length` elements, at most `capacity`, are initialised and
    ///   become the vector's alone.
    pub unsafe fn from_raw_parts(ptr: *mut T, length: usize, capacity: usize) -> Self {
        let layout = if Self::IS_ZST {
            ArrayLayout::empty()
        } else {
            // SAFETY: There is an allocation of that many.
            unsafe { ArrayLayout::new_unchecked(capacity) }
        };
        // INVARIANT: Memory, length and capacity are as they should be: the caller's guarantee.
        Vec {
            // SAFETY: Neither memory nor what dangles is null.
            ptr: unsafe { NonNull::new_unchecked(ptr) },
            layout,
            len: length,
            _allocator: PhantomData,
        }
    }

    /// Passes the elements to the caller: a pointer, their number, and the capacity.
    pub fn into_raw_parts(self) -> (*mut T, usize, usize) {
        let this = ManuallyDrop::new(self);
        (this.ptr.as_ptr(), this.len, this.capacity())
    }

    /// Drops all elements and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Makes room for at least `additional` more elements.
    ///
    /// May sleep if `flags` say so, but only if there is not yet room.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        let capacity = self.capacity();
        if capacity - self.len >= additional {
            return Ok(());
        }
        if Self::IS_ZST {
            return Err(AllocError);
        }
        let needed = self.len.checked_add(additional).ok_or(AllocError)?;
        // Doubling makes the cost of a push constant on average. The capacity
        // is at most `isize::MAX`, so that this does not overflow.
        self.set_capacity(needed.max(capacity * 2), flags)?;
        bindings::debug_fail_point();
        Ok(())
    }

    /// Moves the elements, which have a size, to memory for `capacity`, which is enough.
    #[cfg_attr(feature = "debug", track_caller)]
    pub(super) fn set_capacity(&mut self, capacity: usize, flags: Flags) -> Result<(), AllocError> {
        let layout = ArrayLayout::<T>::new(capacity).map_err(|_| AllocError)?;
        let (ptr, old) = (Some(self.ptr.cast()), self.layout.into());
        // SAFETY: By the invariants, `ptr` is from `A` with the layout `old`; it is replaced below.
        let memory = unsafe { A::realloc(ptr, layout.into(), old, flags, NumaNode::NO_NODE)? };
        // INVARIANT: The allocator returned it with this layout, and copied the elements.
        self.ptr = memory.cast();
        self.layout = layout;
        Ok(())
    }

    /// Drops all but the first `len` elements.
    pub fn truncate(&mut self, len: usize) {
        let Some(count) = self.len.checked_sub(len) else {
            return;
        };
        // SAFETY: There are at least that many.
        let rest: *mut [T] = unsafe { self.dec_len(count) };
        // SAFETY: They are initialised and no longer the vector's.
        unsafe { ptr::drop_in_place(rest) };
    }

    /// Takes all elements and keeps the memory.
    pub fn drain_all(&mut self) -> DrainAll<'_, T> {
        // SAFETY: There are that many; the iterator yields or drops them.
        DrainAll::new(unsafe { self.dec_len(self.len) })
    }

    /// Drops the elements for which `f` is false.
    pub fn retain(&mut self, mut f: impl FnMut(&mut T) -> bool) {
        let mut kept = 0;
        let mut next = 0;
        while let Some(element) = self.get_mut(next) {
            if f(element) {
                self.swap(kept, next);
                kept += 1;
            }
            next += 1;
        }
        self.truncate(kept);
    }
}

impl<T> Vec<T, KVmalloc> {
    /// Frees memory for more than `min_capacity` elements, if any; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn shrink_to(&mut self, min_capacity: usize, flags: Flags) -> Result<(), AllocError> {
        let capacity = self.len.max(min_capacity);
        if Self::IS_ZST || self.capacity() <= capacity {
            return Ok(());
        }
        self.set_capacity(capacity, flags)
    }
}

impl<T: Clone, A: Allocator> Vec<T, A> {
    /// Appends `value` `n` times; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn extend_with(&mut self, n: usize, value: T, flags: Flags) -> Result<(), AllocError> {
        let Some(clones) = n.checked_sub(1) else {
            return Ok(());
        };
        self.reserve(n, flags)?;
        for _ in 0..clones {
            // SAFETY: There is room for `n`.
            unsafe { self.push_within_capacity_unchecked(value.clone()) };
        }
        // SAFETY: There is room for `n`.
        unsafe { self.push_within_capacity_unchecked(value) };
        Ok(())
    }

    /// Appends a clone of each element of `other`; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn extend_from_slice(&mut self, other: &[T], flags: Flags) -> Result<(), AllocError> {
        self.reserve(other.len(), flags)?;
        for element in other {
            // SAFETY: There is room for all of them.
            unsafe { self.push_within_capacity_unchecked(element.clone()) };
        }
        Ok(())
    }

    /// Allocates `value` `n` times; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn from_elem(value: T, n: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut vec = Self::with_capacity(n, flags)?;
        vec.extend_with(n, value, flags)?;
        Ok(vec)
    }

    /// Truncates to `new_len`, or appends `value` until it is that long; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn resize(&mut self, new_len: usize, value: T, flags: Flags) -> Result<(), AllocError> {
        match new_len.checked_sub(self.len) {
            Some(missing) => self.extend_with(missing, value, flags),
            None => {
                self.truncate(new_len);
                Ok(())
            }
        }
    }
}

impl<T> AsPageIter for VVec<T> {
    type Iter<'a>
        = VmallocPageIter<'a>
    where
        T: 'a;

    fn page_iter(&mut self) -> VmallocPageIter<'_> {
        // SAFETY: By the invariants it is memory of `Vmalloc`, with that layout.
        unsafe { VmallocPageIter::new(self.ptr.cast(), self.layout.size()) }
    }
}

impl<T, A: Allocator> Drop for Vec<T, A> {
    fn drop(&mut self) {
        // SAFETY: By the invariants, `ptr` is from `A` with this layout; only the elements, which
        // are dropped first, are used again.
        let _memory = unsafe { Memory::<A>::new(self.ptr, self.layout.into()) };
        self.clear();
    }
}

#[cfg(test)]
mod tests;
