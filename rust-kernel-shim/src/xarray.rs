// SPDX-License-Identifier: GPL-2.0-only

//! Arrays with holes, of pointers that C owns.
//!
//! C header: [`include/linux/xarray.h`](srctree/include/linux/xarray.h).

use crate::{
    alloc, bindings,
    build_assert::build_assert,
    error::{to_result, Error, Result},
    ffi::c_void,
    types::{ForeignOwnable, NotThreadSafe, Opaque},
};
use core::{
    marker::PhantomData,
    pin::Pin,
    ptr::{null_mut, NonNull},
};
use pin_init::{pin_data, pin_init, pinned_drop, PinInit};

/// An array of owned values, most indices of which may have none.
///
/// A spinlock protects it, which [`Guard`] holds.
///
/// # Invariants
///
/// `xa` is initialised; its entries are from `T::into_foreign()`, taken back when they are removed.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, xarray::{AllocKind, XArray}};
///
/// let slots = KBox::pin_init(XArray::new(AllocKind::Alloc), GFP_KERNEL)?;
/// let mut guard = slots.lock();
/// assert!(guard.store(1 << 40, KBox::new(7, GFP_ATOMIC)?, GFP_ATOMIC)?.is_none());
/// assert_eq!(guard.get(1 << 40), Some(&7));
/// if let Some(value) = guard.get_mut(1 << 40) {
///     *value += 1;
/// }
/// assert_eq!(guard.remove(1 << 40).as_deref(), Some(&8));
/// assert!(guard.get(1 << 40).is_none());
/// # Ok::<(), Error>(())
/// ```
#[pin_data(PinnedDrop)]
pub struct XArray<T: ForeignOwnable> {
    #[pin]
    xa: Opaque<bindings::xarray>,
    _owns: PhantomData<T>,
}

// SAFETY: What another thread can do is to use and to drop the values.
unsafe impl<T: ForeignOwnable + Send> Send for XArray<T> {}

// SAFETY: The lock lets one thread at a time reach the values.
unsafe impl<T: ForeignOwnable + Send> Sync for XArray<T> {}

/// What an array is to know of free indices.
pub enum AllocKind {
    /// Free ones can be asked for; the first is 0.
    Alloc,
    /// Free ones can be asked for; the first is 1.
    Alloc1,
    /// As [`Self::Alloc`], for [`Guard::alloc_cyclic`]. Not in 7.3, but posted.
    AllocCyclic,
}

impl<T: ForeignOwnable> XArray<T> {
    /// Initialises an array without values.
    pub fn new(kind: AllocKind) -> impl PinInit<Self> {
        let flags = match kind {
            AllocKind::Alloc | AllocKind::AllocCyclic => bindings::XA_FLAGS_ALLOC,
            AllocKind::Alloc1 => bindings::XA_FLAGS_ALLOC1,
        };
        pin_init!(Self {
            // SAFETY: `xa` is valid for writes.
            xa <- Opaque::ffi_init(|xa| unsafe { bindings::xa_init_flags(xa, flags) }),
            _owns: PhantomData,
        })
    }

    /// Takes the lock if it is free; `None` if not.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        // SAFETY: Initialised, says the invariant.
        let taken = unsafe { bindings::xa_trylock(self.xa.get()) } != 0;
        taken.then(|| Guard::new(self))
    }

    /// Takes the lock. May not sleep from here on.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn lock(&self) -> Guard<'_, T> {
        // SAFETY: Initialised, says the invariant.
        unsafe { bindings::xa_lock(self.xa.get()) };
        Guard::new(self)
    }
}

#[pinned_drop]
impl<T: ForeignOwnable> PinnedDrop for XArray<T> {
    fn drop(self: Pin<&mut Self>) {
        /// Frees C's memory, also if a value panics when it is dropped.
        struct Destroy(*mut bindings::xarray);

        impl Drop for Destroy {
            fn drop(&mut self) {
                // SAFETY: Initialised, and not used any more.
                unsafe { bindings::xa_destroy(self.0) };
            }
        }

        let (xa, mut index) = (Destroy(self.xa.get()), 0);
        let (all, any) = (usize::MAX, bindings::XA_PRESENT);
        // SAFETY: Initialised, says the invariant.
        let mut entry = unsafe { bindings::xa_find(xa.0, &mut index, all, any) };
        while !entry.is_null() {
            // SAFETY: From `into_foreign()`, and looked at once.
            drop(unsafe { T::from_foreign(entry) });
            // SAFETY: As above; what is at earlier indices is not looked at.
            entry = unsafe { bindings::xa_find_after(xa.0, &mut index, all, any) };
        }
    }
}

/// The lock of an array is held; its values can be used.
#[must_use = "the lock is released as soon as this is dropped"]
pub struct Guard<'a, T: ForeignOwnable> {
    xa: &'a XArray<T>,
    _not_send: NotThreadSafe,
}

impl<T: ForeignOwnable> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The guard has held the lock, on this thread.
        unsafe { bindings::xa_unlock(self.xa.xa.get()) };
    }
}

/// Why a value was not stored, and the value.
pub struct StoreError<T> {
    /// What went wrong.
    pub error: Error,
    /// The value.
    pub value: T,
}

impl<T> From<StoreError<T>> for Error {
    #[inline]
    fn from(value: StoreError<T>) -> Self {
        value.error
    }
}

impl<'a, T: ForeignOwnable> Guard<'a, T> {
    /// The thread holds the lock of `xa`, and leaves it to this.
    fn new(xa: &'a XArray<T>) -> Self {
        Guard {
            xa,
            _not_send: NotThreadSafe,
        }
    }

    fn load(&self, index: usize) -> Option<NonNull<c_void>> {
        // SAFETY: Initialised, says the invariant.
        NonNull::new(unsafe { bindings::xa_load(self.xa.xa.get(), index) })
    }

    /// Returns the value at `index`; `None` if there is none.
    pub fn get(&self, index: usize) -> Option<T::Borrowed<'_>> {
        // SAFETY: From `into_foreign()`; it takes `&mut self` to remove it or to borrow it mutably, and
        // other threads the lock.
        (self.load(index)).map(|entry| unsafe { T::borrow(entry.as_ptr()) })
    }

    /// Returns the value at `index`, which can be changed; `None` if there is none.
    pub fn get_mut(&mut self, index: usize) -> Option<T::BorrowedMut<'_>> {
        // SAFETY: From `into_foreign()`; as long as `self` is borrowed no one else reaches it.
        (self.load(index)).map(|entry| unsafe { T::borrow_mut(entry.as_ptr()) })
    }

    /// Removes the value at `index`, which is free then, and returns it; `None` if there is none.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn remove(&mut self, index: usize) -> Option<T> {
        // SAFETY: Initialised, and the lock is held.
        let old = unsafe { bindings::__xa_erase(self.xa.xa.get(), index) };
        // SAFETY: From `into_foreign()` if it is not null, and removed; no borrow is left.
        unsafe { T::try_from_foreign(old) }
    }

    /// Stores a value at `index`; returns what was there.
    ///
    /// Fails with `ENOMEM`. If `gfp` may sleep, the lock is released for a while, so that other threads
    /// may change the array meanwhile; here whenever memory is needed, in Linux where it is short.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn store(
        &mut self,
        index: usize,
        value: T,
        gfp: alloc::Flags,
    ) -> Result<Option<T>, StoreError<T>> {
        let mut old = null_mut();
        foreign(value, |new| {
            // SAFETY: Initialised, and the lock is held; the value is C's.
            old = unsafe { bindings::__xa_store(self.xa.xa.get(), index, new, gfp.as_raw()) };
            // SAFETY: `xa_err()` has no preconditions.
            unsafe { bindings::xa_err(old) }
        })?;
        // SAFETY: No error, so from `into_foreign()` if it is not null, and removed; no borrow is left.
        Ok(unsafe { T::try_from_foreign(old) })
    }
}

/// Gives a value to C, which returns 0 or an error; then it did not keep the value.
fn foreign<T: ForeignOwnable>(
    value: T,
    keep: impl FnOnce(*mut c_void) -> i32,
) -> Result<i32, StoreError<T>> {
    build_assert!(
        T::FOREIGN_ALIGN >= 4,
        "an array takes pointers that are aligned to four bytes"
    );
    let new = value.into_foreign();
    let result = keep(new);
    if result >= 0 {
        return Ok(result);
    }
    Err(StoreError {
        error: Error::from_errno(result),
        // SAFETY: From `into_foreign()`, and not kept.
        value: unsafe { T::from_foreign(new) },
    })
}

/// The indices that [`Guard::alloc_cyclic`] chooses from. Not in 7.3, but posted.
#[derive(Copy, Clone)]
pub struct XaLimit(bindings::xa_limit);

impl XaLimit {
    /// Those of 32 bits.
    pub const LIMIT_32B: Self = Self::new(0, u32::MAX);
    /// Those of 31 bits.
    pub const LIMIT_31B: Self = Self::new(0, u32::MAX >> 1);
    /// Those of 16 bits.
    pub const LIMIT_16B: Self = Self::new(0, u16::MAX as u32);

    /// Those from `min` to `max`.
    pub const fn new(min: u32, max: u32) -> Self {
        XaLimit(bindings::xa_limit { max, min })
    }
}

/// An index that is taken, and has no value yet. Not in 7.3, but posted.
///
/// [`Guard::store_reserved`] gives it one, [`Guard::release`] frees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedIndex(pub u32);

impl ReservedIndex {
    /// Returns the index.
    pub fn index(self) -> usize {
        // CAST: 64 bits take it.
        self.0 as usize
    }
}

/// What is posted for after 7.3.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, xarray::{AllocKind, XArray, XaLimit}};
///
/// let seats = KBox::pin_init(XArray::new(AllocKind::AllocCyclic), GFP_KERNEL)?;
/// let (mut guard, mut next) = (seats.lock(), 0);
/// let rows = XaLimit::new(0, 1);
/// assert_eq!(guard.alloc_cyclic(KBox::new('a', GFP_ATOMIC)?, rows, &mut next, GFP_ATOMIC)?, 0);
///
/// // Taken, and empty until later, which needs no memory.
/// let seat = guard.alloc_cyclic_reserve(rows, &mut next, GFP_ATOMIC)?;
/// assert!(guard.get(seat.index()).is_none());
/// assert_eq!(guard.alloc_cyclic_reserve(rows, &mut next, GFP_ATOMIC), Err(EBUSY));
/// guard.store_reserved(seat, KBox::new('b', GFP_ATOMIC)?)?;
/// assert_eq!(guard.get(1), Some(&'b'));
/// # Ok::<(), Error>(())
/// ```
impl<T: ForeignOwnable> Guard<'_, T> {
    /// Stores a value at the first free index from `next` on, or from the start if there is none;
    /// `next` becomes the index behind. Returns the index.
    ///
    /// Fails with `EBUSY` if no index is free, and as [`Self::store`].
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn alloc_cyclic(
        &mut self,
        value: T,
        limit: XaLimit,
        next: &mut u32,
        gfp: alloc::Flags,
    ) -> Result<usize, StoreError<T>> {
        let mut id = ReservedIndex(0);
        foreign(value, |new| self.cyclic(&mut id, new, limit, next, gfp))?;
        Ok(id.index())
    }

    /// As [`Self::alloc_cyclic`], without a value.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn alloc_cyclic_reserve(
        &mut self,
        limit: XaLimit,
        next: &mut u32,
        gfp: alloc::Flags,
    ) -> Result<ReservedIndex> {
        let mut id = ReservedIndex(0);
        to_result(self.cyclic(&mut id, null_mut(), limit, next, gfp))?;
        Ok(id)
    }

    fn cyclic(
        &mut self,
        id: &mut ReservedIndex,
        new: *mut c_void,
        limit: XaLimit,
        next: &mut u32,
        gfp: alloc::Flags,
    ) -> i32 {
        let (xa, gfp) = (self.xa.xa.get(), gfp.as_raw());
        // SAFETY: Initialised, and the lock is held; `new` is null or C's.
        unsafe { bindings::__xa_alloc_cyclic(xa, &mut id.0, new, limit.0, next, gfp) }
    }

    /// Stores a value at an index that was reserved. Needs no memory then.
    ///
    /// What is there if it was not is dropped.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn store_reserved(&mut self, index: ReservedIndex, value: T) -> Result<(), StoreError<T>> {
        self.store(index.index(), value, alloc::flags::GFP_NOWAIT)
            .map(drop)
    }

    /// Frees an index that was reserved; leaves one alone that was not.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn release(&mut self, index: ReservedIndex) {
        let (xa, taken) = (self.xa.xa.get(), bindings::XA_ZERO_ENTRY);
        // SAFETY: Initialised, and the lock is held; what is removed is no value.
        unsafe { bindings::__xa_cmpxchg(xa, index.index(), taken, null_mut(), 0) };
    }
}
