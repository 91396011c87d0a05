// SPDX-License-Identifier: GPL-2.0-only

//! Values with several owners.
//!
//! C header: [`include/linux/refcount.h`](srctree/include/linux/refcount.h).
//!
//! As in the kernel, the count saturates instead of aborting, there are no weak references, and a
//! value that has owners is always pinned. Unlike in the kernel there is no coercion to `Arc<dyn
//! Trait>`, and `Arc<Self>` is no receiver: both are unstable Rust.

use super::Refcount;
use crate::{
    alloc::{AllocError, Flags, KBox},
    ffi::c_void,
    implement::owner,
    init::InPlaceInit,
    try_init,
    types::ForeignOwnable,
};
use core::{
    alloc::Layout,
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ops::Deref,
    pin::Pin,
    ptr::NonNull,
};
use pin_init::{Init, PinInit};

mod unique;

pub use unique::UniqueArc;

/// One of the owners of a value.
///
/// # Invariants
///
/// The pointer is from a [`KBox`], and one of the owners counted is this one.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::Arc};
///
/// let one = Arc::new(7, GFP_KERNEL)?;
/// let two = one.clone();
/// assert!(Arc::ptr_eq(&one, &two));
/// assert!(Arc::into_unique_or_drop(one).is_none());
/// assert_eq!(Arc::into_unique_or_drop(two).map(|last| *last), Some(7));
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
#[cfg_attr(unstable, derive(core::marker::CoercePointee))]
pub struct Arc<T: ?Sized> {
    ptr: NonNull<ArcInner<T>>,
    _owns: PhantomData<ArcInner<T>>,
}

#[repr(C)]
struct ArcInner<T: ?Sized> {
    refcount: Refcount,
    data: T,
}

// As in Linux, where neither field is pinned for an owner: to move one moves neither.
impl<T: ?Sized> Unpin for ArcInner<T> {}

impl<T: ?Sized> ArcInner<T> {
    /// From the value to what is around it.
    ///
    /// # Safety
    ///
    /// `ptr` is from [`Arc::into_raw`] or [`Arc::as_ptr`], with an owner left.
    unsafe fn container_of(ptr: *const T) -> NonNull<ArcInner<T>> {
        // SAFETY: An owner is left, so the value is valid.
        let value = Layout::for_value(unsafe { &*ptr });
        // The value comes after the count, as `repr(C)` lays them out.
        let (_, offset) = match Layout::new::<Refcount>().extend(value) {
            Ok(layout) => layout,
            Err(_) => unreachable!("it was allocated"),
        };
        // CAST: Both pointers have the metadata of `T`.
        let inner = ptr as *const ArcInner<T>;
        // SAFETY: The value is that far behind the start.
        let inner = unsafe { inner.byte_sub(offset) };
        // SAFETY: It is within an allocation.
        unsafe { NonNull::new_unchecked(inner.cast_mut()) }
    }
}

// SAFETY: Sending an owner shares the value, and may drop it there.
unsafe impl<T: ?Sized + Sync + Send> Send for Arc<T> {}

// SAFETY: Sharing an owner allows cloning it, and sending the clone.
unsafe impl<T: ?Sized + Sync + Send> Sync for Arc<T> {}

impl<T> InPlaceInit<T> for Arc<T> {
    type PinnedSelf = Self;

    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    fn try_pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self::PinnedSelf, E>
    where
        E: From<AllocError>,
    {
        UniqueArc::try_pin_init(init, flags).map(Arc::from)
    }

    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    fn try_init<E>(init: impl Init<T, E>, flags: Flags) -> Result<Self, E>
    where
        E: From<AllocError>,
    {
        UniqueArc::try_init(init, flags).map(Arc::from)
    }
}

impl<T> Arc<T> {
    /// The offset of the value from the count, in bytes.
    pub const DATA_OFFSET: usize = core::mem::offset_of!(ArcInner<T>, data);

    /// Allocates memory for `contents`, with one owner; may sleep if `flags` say so.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new(contents: T, flags: Flags) -> Result<Self, AllocError> {
        let inner = KBox::new(
            ArcInner {
                refcount: Refcount::new(1),
                data: contents,
            },
            flags,
        )?;
        // SAFETY: From a box, with one owner counted.
        Ok(unsafe { Self::from_inner(KBox::leak(inner).into()) })
    }
}

impl<T: ?Sized> Arc<T> {
    /// # Safety
    ///
    /// `inner` is from a [`KBox`], and an owner is counted for this one alone.
    unsafe fn from_inner(inner: NonNull<ArcInner<T>>) -> Self {
        // INVARIANT: From a box, with this owner counted: the caller's guarantee.
        Arc {
            ptr: inner,
            _owns: PhantomData,
        }
    }

    /// Passes the ownership to the caller; [`Self::from_raw`] takes it back.
    pub fn into_raw(self) -> *const T {
        Self::as_ptr(&ManuallyDrop::new(self))
    }

    /// Returns a pointer to the value.
    pub fn as_ptr(this: &Self) -> *const T {
        let inner = this.ptr.as_ptr();
        // SAFETY: By the invariant it is valid.
        unsafe { &raw const (*inner).data }
    }

    /// Takes back what [`Self::into_raw`] returned.
    ///
    /// # Safety
    ///
    /// `ptr` is from [`Self::into_raw`], taken back once.
    pub unsafe fn from_raw(ptr: *const T) -> Self {
        // SAFETY: The owner that `into_raw()` passed on is still counted.
        let inner = unsafe { ArcInner::container_of(ptr) };
        // SAFETY: It becomes this one.
        unsafe { Self::from_inner(inner) }
    }

    /// Borrows the value; the borrow can become an owner.
    #[inline]
    pub fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        // SAFETY: This owner lasts as long as the result.
        unsafe { ArcBorrow::new(self.ptr) }
    }

    /// Returns whether both own the same value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        core::ptr::addr_eq(this.ptr.as_ptr(), other.ptr.as_ptr())
    }

    /// Returns the value as a [`UniqueArc`] if this is its last owner; drops this owner otherwise.
    pub fn into_unique_or_drop(this: Self) -> Option<Pin<UniqueArc<T>>> {
        let this = ManuallyDrop::new(this);
        if !this.refcount().dec_and_test() {
            return None;
        }
        // There is no other owner any more, so the zero is not seen.
        this.refcount().set(1);
        let last = ManuallyDrop::into_inner(this);
        // SAFETY: The count says so.
        Some(Pin::from(unsafe { UniqueArc::from_last(last) }))
    }

    fn refcount(&self) -> &Refcount {
        // SAFETY: By the invariant it is valid.
        unsafe { &self.ptr.as_ref().refcount }
    }

    /// The number of owners, for tests.
    #[cfg(test)]
    pub(crate) fn references(&self) -> i32 {
        self.refcount().as_atomic().load(super::atomic::Relaxed)
    }
}

// SAFETY: The pointer is that of a `KBox`.
unsafe impl<T: 'static> ForeignOwnable for Arc<T> {
    const FOREIGN_ALIGN: usize = <KBox<ArcInner<T>> as ForeignOwnable>::FOREIGN_ALIGN;

    type Borrowed<'a> = ArcBorrow<'a, T>;
    type BorrowedMut<'a> = Self::Borrowed<'a>;

    fn into_foreign(self) -> *mut c_void {
        ManuallyDrop::new(self).ptr.as_ptr().cast()
    }

    unsafe fn from_foreign(ptr: *mut c_void) -> Self {
        // SAFETY: The pointer is from `into_foreign()`, so it is not null.
        let inner = unsafe { NonNull::new_unchecked(ptr.cast()) };
        // SAFETY: The owner that C was is the caller's again.
        unsafe { Self::from_inner(inner) }
    }

    unsafe fn borrow<'a>(ptr: *mut c_void) -> ArcBorrow<'a, T> {
        // SAFETY: The pointer is from `into_foreign()`, so it is not null.
        let inner = unsafe { NonNull::new_unchecked(ptr.cast()) };
        // SAFETY: The caller says that C is an owner during 'a.
        unsafe { ArcBorrow::new(inner) }
    }

    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> ArcBorrow<'a, T> {
        // SAFETY: The caller says that C is an owner during 'a.
        unsafe { <Self as ForeignOwnable>::borrow(ptr) }
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant it is valid.
        unsafe { &self.ptr.as_ref().data }
    }
}

impl<T: ?Sized> AsRef<T> for Arc<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

owner!(Arc);

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Self {
        self.refcount().inc();
        // SAFETY: Counted just now.
        unsafe { Self::from_inner(self.ptr) }
    }
}

impl<T: ?Sized> Drop for Arc<T> {
    fn drop(&mut self) {
        if self.refcount().dec_and_test() {
            // SAFETY: From a box, and there is no other owner any more.
            drop(unsafe { KBox::from_raw(self.ptr.as_ptr()) });
        }
    }
}

/// A reference to a value with owners, which can become one.
///
/// # Invariants
///
/// There is an owner during `'a`.
#[repr(transparent)]
#[cfg_attr(unstable, derive(core::marker::CoercePointee))]
pub struct ArcBorrow<'a, T: ?Sized + 'a> {
    inner: NonNull<ArcInner<T>>,
    _borrow: PhantomData<&'a ()>,
}

impl<T: ?Sized> Clone for ArcBorrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for ArcBorrow<'_, T> {}

impl<T: ?Sized> ArcBorrow<'_, T> {
    /// # Safety
    ///
    /// There is an owner as long as the result lasts.
    unsafe fn new(inner: NonNull<ArcInner<T>>) -> Self {
        // INVARIANT: There is an owner during 'a: the caller's guarantee.
        ArcBorrow {
            inner,
            _borrow: PhantomData,
        }
    }

    /// Borrows from a pointer that [`Arc::into_raw`] or [`Arc::as_ptr`] returned.
    ///
    /// # Safety
    ///
    /// There is an owner as long as the result lasts, and no [`UniqueArc`].
    pub unsafe fn from_raw(ptr: *const T) -> Self {
        // SAFETY: There is an owner.
        let inner = unsafe { ArcInner::container_of(ptr) };
        // SAFETY: There is an owner as long as the result lasts: the caller's guarantee.
        unsafe { Self::new(inner) }
    }
}

impl<T: ?Sized> From<ArcBorrow<'_, T>> for Arc<T> {
    fn from(b: ArcBorrow<'_, T>) -> Self {
        // SAFETY: The owner that there is is borrowed, and not dropped.
        let owner = ManuallyDrop::new(unsafe { Arc::from_inner(b.inner) });
        Arc::clone(&owner)
    }
}

impl<T: ?Sized> Deref for ArcBorrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant it is valid.
        unsafe { &self.inner.as_ref().data }
    }
}

/// Memory for an [`ArcInner`], with one owner and no value yet.
#[cfg_attr(feature = "debug", track_caller)]
fn new_uninit<T>(flags: Flags) -> Result<Arc<MaybeUninit<T>>, AllocError> {
    let inner = KBox::try_init::<AllocError>(
        try_init!(ArcInner {
            refcount: Refcount::new(1),
            data <- pin_init::uninit::<T, AllocError>(),
        }? AllocError),
        flags,
    )?;
    // SAFETY: From a box, with one owner counted.
    Ok(unsafe { Arc::from_inner(KBox::leak(inner).into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn pointers_come_back() -> Result {
        let arc = Arc::new(7u64, GFP_KERNEL)?;
        let raw = arc.clone().into_raw();
        assert_eq!(arc.references(), 2);
        // SAFETY: There are two owners.
        assert_eq!(*unsafe { ArcBorrow::from_raw(raw) }, 7);
        // SAFETY: Given away above.
        drop(unsafe { Arc::from_raw(raw) });
        assert_eq!(arc.references(), 1);

        let foreign = arc.clone().into_foreign();
        // SAFETY: Given away above.
        let borrow = unsafe { <Arc<u64> as ForeignOwnable>::borrow(foreign) };
        let third = Arc::from(borrow);
        assert_eq!(third.references(), 3);
        // SAFETY: Given away above.
        drop(unsafe { Arc::<u64>::from_foreign(foreign) });
        assert_eq!(third.references(), 2);
        Ok(())
    }

    #[test]
    fn values_of_unknown_size() -> Result {
        let arc = Arc::new([1u8, 2, 3], GFP_KERNEL)?;
        let raw: *const [u8] = arc.into_raw();
        // SAFETY: Given away above; an array is a slice.
        let arc = unsafe { Arc::from_raw(raw) };
        assert_eq!(arc[..], [1, 2, 3]);
        Ok(())
    }

    #[test]
    fn the_last_owner_is_the_only_one() -> Result {
        let arc = Arc::new(7u64, GFP_KERNEL)?;
        let other = arc.clone();
        assert!(Arc::into_unique_or_drop(arc).is_none());
        let unique = Arc::into_unique_or_drop(other).ok_or(EINVAL)?;
        let arc = Arc::from(unique);
        assert_eq!(arc.references(), 1);
        Ok(())
    }
}
