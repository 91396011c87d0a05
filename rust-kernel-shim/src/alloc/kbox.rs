// SPDX-License-Identifier: GPL-2.0-only

//! Owned memory with one value in it.
//!
//! C header: [`include/linux/slab.h`](srctree/include/linux/slab.h).
//!
//! Unlike in the kernel, `Box<dyn Trait, A>` does not come from implicit coercion,
//! which is unstable Rust: go through [`Box::into_raw`] and [`Box::from_raw`].

use super::{
    allocator::{KVmalloc, Kmalloc, Vmalloc, VmallocPageIter},
    AllocError, Allocator, Flags, NumaNode,
};
use crate::{
    bindings,
    implement::{only_owner, Memory},
    page::AsPageIter,
    prelude::{InPlaceInit, InPlaceWrite, Init, PinInit, Zeroable, __GFP_ZERO},
    types::ForeignOwnable,
};
use core::{
    alloc::Layout,
    ffi::c_void,
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ops::{Deref, DerefMut},
    pin::Pin,
    ptr::NonNull,
};
use pin_init::ZeroableOption;

/// A value in memory of its own.
///
/// # Invariants
///
/// The pointer is from `A` with the layout of the value, or dangles if the
/// value has no size; the value is initialised and owned by the box alone.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
///
/// let mut number = KBox::new(1, GFP_KERNEL)?;
/// *number += 1;
/// assert_eq!(KBox::into_inner(number), 2);
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
#[cfg_attr(unstable, derive(core::marker::CoercePointee))]
pub struct Box<#[cfg_attr(unstable, pointee)] T: ?Sized, A: Allocator>(NonNull<T>, PhantomData<A>);

/// A [`Box`] of contiguous memory.
pub type KBox<T> = Box<T, Kmalloc>;

/// A [`Box`] of whole pages.
pub type VBox<T> = Box<T, Vmalloc>;

/// A [`Box`] of contiguous memory if there is some.
pub type KVBox<T> = Box<T, KVmalloc>;

// SAFETY: `None` is the null pointer.
unsafe impl<T, A: Allocator> ZeroableOption for Box<T, A> {}

// SAFETY: A `Box` owns its value.
unsafe impl<T: Send + ?Sized, A: Allocator> Send for Box<T, A> {}

// SAFETY: A `Box` owns its value.
unsafe impl<T: Sync + ?Sized, A: Allocator> Sync for Box<T, A> {}

impl<T: ?Sized, A: Allocator> Box<T, A> {
    /// Takes back what [`Self::into_raw`] returned.
    ///
    /// # Safety
    ///
    /// `raw` is from `A` with the layout of the value, which is initialised, and the box's alone.
    #[inline]
    pub const unsafe fn from_raw(raw: *mut T) -> Self {
        // INVARIANT: Memory with a value, ours alone: the caller's guarantee.
        // SAFETY: Allocators do not return null.
        Box(unsafe { NonNull::new_unchecked(raw) }, PhantomData)
    }

    /// Hands the value over; [`Self::from_raw`] takes it back.
    #[inline]
    pub fn into_raw(b: Self) -> *mut T {
        ManuallyDrop::new(b).0.as_ptr()
    }

    /// Never drops the value.
    #[inline]
    pub fn leak<'a>(b: Self) -> &'a mut T {
        let raw = Box::into_raw(b);
        // SAFETY: The value is initialised and from here on never freed.
        unsafe { &mut *raw }
    }
}

impl<T, A: Allocator> Box<MaybeUninit<T>, A> {
    /// Declares the value initialised.
    ///
    /// # Safety
    ///
    /// The value is initialised.
    pub unsafe fn assume_init(self) -> Box<T, A> {
        let raw = Self::into_raw(self);
        // SAFETY: The memory is ours with the layout of a `T`, and initialised as the caller says.
        unsafe { Box::from_raw(raw.cast()) }
    }

    /// Initialises with `value`.
    pub fn write(mut self, value: T) -> Box<T, A> {
        (*self).write(value);
        // SAFETY: Just written.
        unsafe { self.assume_init() }
    }
}

impl<T, A: Allocator> Box<T, A> {
    /// Allocates memory for `x` and moves it there; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new(x: T, flags: Flags) -> Result<Self, AllocError> {
        Ok(Box::write(Self::new_uninit(flags)?, x))
    }

    /// Allocates memory and leaves it uninitialised; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new_uninit(flags: Flags) -> Result<Box<MaybeUninit<T>, A>, AllocError> {
        let memory = A::alloc(Layout::new::<T>(), flags, NumaNode::NO_NODE)?;
        bindings::debug_fail_point();
        // INVARIANT: From the allocator, with this layout; a `MaybeUninit` may be uninitialised.
        Ok(Box(memory.cast(), PhantomData))
    }

    /// Allocates zeroed memory; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn zeroed(flags: Flags) -> Result<Self, AllocError>
    where
        T: Zeroable,
    {
        let memory = Self::new_uninit(flags | __GFP_ZERO)?;
        // SAFETY: The memory is zeroed, which is a value of `T`.
        Ok(unsafe { memory.assume_init() })
    }

    /// As [`Self::new`], pinned.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn pin(x: T, flags: Flags) -> Result<Pin<Box<T, A>>, AllocError>
    where
        A: 'static,
    {
        Ok(Self::new(x, flags)?.into())
    }

    /// Allocates a pinned slice of `len` elements in place; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn pin_slice<Func, Item, E>(
        mut init: Func,
        len: usize,
        flags: Flags,
    ) -> Result<Pin<Box<[T], A>>, E>
    where
        Func: FnMut(usize) -> Item,
        Item: PinInit<T, E>,
        E: From<AllocError>,
    {
        let mut elements = super::Vec::<T, A>::with_capacity(len, flags)?;
        for index in 0..len {
            let slot = elements.spare_capacity_mut().as_mut_ptr();
            // SAFETY: There was capacity for `len` elements, `index` are used;
            // the vector never grows, so that they stay in place.
            unsafe { pin_init::raw_try_init(slot.cast(), init(index))? };
            // SAFETY: The element was just initialised.
            unsafe { elements.inc_len(1) };
        }
        // `Box` frees by the layout of the slice; the allocators need none.
        let (elements, len, _) = elements.into_raw_parts();
        let slice = core::ptr::slice_from_raw_parts_mut(elements, len);
        // SAFETY: The vector passed on `len` initialised elements.
        Ok(Pin::from(unsafe { Box::from_raw(slice) }))
    }

    /// Pins the value.
    pub fn into_pin(this: Self) -> Pin<Self> {
        this.into()
    }

    /// Keeps the memory and forgets that there is a value in it.
    fn forget_contents(this: Self) -> Box<MaybeUninit<T>, A> {
        let raw = Self::into_raw(this);
        // SAFETY: A `MaybeUninit` needs no value.
        unsafe { Box::from_raw(raw.cast()) }
    }

    /// Drops the value and keeps the memory.
    pub fn drop_contents(this: Self) -> Box<MaybeUninit<T>, A> {
        // First, so that unwinding out of the destructor drops the memory alone.
        let mut memory = Self::forget_contents(this);
        // SAFETY: The memory still has the value, which is not used again.
        unsafe { memory.assume_init_drop() };
        memory
    }

    /// Moves the value out and frees the memory.
    pub fn into_inner(b: Self) -> T {
        // SAFETY: The value is initialised and is forgotten right below.
        let value = unsafe { b.0.as_ptr().read() };
        drop(Self::forget_contents(b));
        value
    }
}

impl<T> AsPageIter for VBox<T> {
    type Iter<'a>
        = VmallocPageIter<'a>
    where
        T: 'a;

    fn page_iter(&mut self) -> VmallocPageIter<'_> {
        // SAFETY: By the invariant it is memory of `Vmalloc`, with a `T`.
        unsafe { VmallocPageIter::new(self.0.cast(), size_of::<T>()) }
    }
}

only_owner!(Box, A);

// SAFETY: The pointer is aligned for `T`, and to the allocator's minimum.
unsafe impl<T, A: Allocator> ForeignOwnable for Box<T, A> {
    const FOREIGN_ALIGN: usize = if align_of::<T>() < A::MIN_ALIGN {
        A::MIN_ALIGN
    } else {
        align_of::<T>()
    };

    type Borrowed<'a>
        = &'a T
    where
        Self: 'a;
    type BorrowedMut<'a>
        = &'a mut T
    where
        Self: 'a;

    fn into_foreign(self) -> *mut c_void {
        Box::into_raw(self).cast()
    }

    unsafe fn from_foreign(ptr: *mut c_void) -> Self {
        // SAFETY: The pointer is from `into_foreign()`.
        unsafe { Box::from_raw(ptr.cast()) }
    }

    unsafe fn borrow<'a>(ptr: *mut c_void) -> &'a T {
        // SAFETY: C owns the value, and it is only read during 'a: the caller's guarantee.
        unsafe { &*ptr.cast() }
    }

    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> &'a mut T {
        // SAFETY: C owns the value, and during 'a it is only ours: the caller's guarantee.
        unsafe { &mut *ptr.cast() }
    }
}

// SAFETY: As for `Box`.
unsafe impl<T, A: Allocator> ForeignOwnable for Pin<Box<T, A>> {
    const FOREIGN_ALIGN: usize = <Box<T, A> as ForeignOwnable>::FOREIGN_ALIGN;

    type Borrowed<'a>
        = Pin<&'a T>
    where
        Self: 'a;
    type BorrowedMut<'a>
        = Pin<&'a mut T>
    where
        Self: 'a;

    fn into_foreign(self) -> *mut c_void {
        // SAFETY: C does not move the value that it owns.
        Box::into_raw(unsafe { Pin::into_inner_unchecked(self) }).cast()
    }

    unsafe fn from_foreign(ptr: *mut c_void) -> Self {
        // SAFETY: The pointer is from `into_foreign()`.
        unsafe { Box::<T, A>::from_raw(ptr.cast()) }.into()
    }

    unsafe fn borrow<'a>(ptr: *mut c_void) -> Pin<&'a T> {
        // SAFETY: C owns the value, and it is only read during 'a: the caller's guarantee.
        let value = unsafe { &*ptr.cast() };
        // SAFETY: It was pinned when C got it.
        unsafe { Pin::new_unchecked(value) }
    }

    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> Pin<&'a mut T> {
        // SAFETY: C owns the value, and during 'a it is only ours: the caller's guarantee.
        let value = unsafe { &mut *ptr.cast() };
        // SAFETY: It was pinned when C got it.
        unsafe { Pin::new_unchecked(value) }
    }
}

impl<T: ?Sized, A: Allocator> Deref for Box<T, A> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The value is initialised and ours.
        unsafe { self.0.as_ref() }
    }
}

impl<T: ?Sized, A: Allocator> DerefMut for Box<T, A> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The value is initialised and ours alone.
        unsafe { self.0.as_mut() }
    }
}

impl<T: ?Sized, A: Allocator> Drop for Box<T, A> {
    fn drop(&mut self) {
        // SAFETY: The memory is from `A` with this layout, and the value is all that is used of it.
        let _memory = unsafe { Memory::<A>::new(self.0, Layout::for_value::<T>(self)) };
        // SAFETY: The value is ours and is not used again.
        unsafe { core::ptr::drop_in_place(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prelude::*, sync::Arc};

    /// Fits no memory.
    type Huge = [u8; 1 << 46];

    #[test]
    fn memory_can_be_short() {
        let made = KBox::<Huge>::new_uninit(GFP_KERNEL | __GFP_NOWARN);
        assert!(made.is_err());
        let made = KBox::<Huge>::init(pin_init::init_zeroed(), GFP_KERNEL);
        assert_eq!(made.err(), Some(ENOMEM));
    }

    #[test]
    fn values_are_dropped_once() -> Result {
        let value = Arc::new(1, GFP_KERNEL)?;

        drop(KBox::new(value.clone(), GFP_KERNEL)?);
        assert_eq!(value.references(), 1);

        let memory = KBox::drop_contents(KBox::new(value.clone(), GFP_KERNEL)?);
        assert_eq!(value.references(), 1);
        let inner = KBox::into_inner(KBox::write(memory, value.clone()));
        assert_eq!(value.references(), 2);
        drop(inner);

        let foreign = KBox::pin(value.clone(), GFP_KERNEL)?.into_foreign();
        // SAFETY: Given away above.
        let back = unsafe { <Pin<KBox<Arc<i32>>>>::try_from_foreign(foreign) };
        drop(back);
        assert_eq!(value.references(), 1);
        // SAFETY: There is nothing to take back.
        assert!(unsafe { <KBox<u8>>::try_from_foreign(core::ptr::null_mut()) }.is_none());
        Ok(())
    }

    #[test]
    fn slices_initialised_in_place() -> Result {
        let value = Arc::new(1, GFP_KERNEL)?;
        let make = |_| Ok::<_, Error>(value.clone());
        let slice: Pin<KBox<[Arc<i32>]>> = KBox::pin_slice(make, 3, GFP_KERNEL)?;
        assert_eq!((slice.len(), value.references()), (3, 4));
        drop(slice);

        let fails = |index| {
            if index < 2 {
                Ok(value.clone())
            } else {
                Err(EIO)
            }
        };
        let slice = KBox::<Arc<i32>>::pin_slice(fails, 3, GFP_KERNEL);
        assert_eq!(slice.err(), Some(EIO));
        assert_eq!(value.references(), 1);
        Ok(())
    }
}
