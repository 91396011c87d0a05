// SPDX-License-Identifier: GPL-2.0-only

//! Types for what C owns, or handles without knowing.
//!
//! C header: none.

use crate::ffi::c_void;
use core::{
    cell::UnsafeCell,
    marker::{PhantomData, PhantomPinned},
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
};
use pin_init::{PinInit, Wrapper, Zeroable};

#[doc(hidden)]
pub mod for_lt;

pub use for_lt::{CovariantForLt, ForLt};

/// A type whose values C can own as a pointer.
///
/// # Safety
///
/// [`Self::into_foreign`] returns a pointer that is not null and is aligned to
/// [`Self::FOREIGN_ALIGN`].
pub unsafe trait ForeignOwnable: Sized {
    /// The alignment of the pointers that C gets, in bytes.
    const FOREIGN_ALIGN: usize;

    /// A borrow through C's pointer, while C owns the value.
    type Borrowed<'a>
    where
        Self: 'a;

    /// A mutable borrow through C's pointer, while C owns the value.
    type BorrowedMut<'a>
    where
        Self: 'a;

    /// Hands the value to C. [`Self::from_foreign`] takes it back.
    fn into_foreign(self) -> *mut c_void;

    /// Takes the value back from C.
    ///
    /// # Safety
    ///
    /// `ptr` is from [`Self::into_foreign`], taken back once, and no borrow from it is in use.
    unsafe fn from_foreign(ptr: *mut c_void) -> Self;

    /// As [`Self::from_foreign`], with a null pointer for nothing.
    ///
    /// # Safety
    ///
    /// `ptr` is null or as for [`Self::from_foreign`].
    unsafe fn try_from_foreign(ptr: *mut c_void) -> Option<Self> {
        if ptr.is_null() {
            return None;
        }
        // SAFETY: `ptr` is not null, so the caller promises the rest.
        Some(unsafe { Self::from_foreign(ptr) })
    }

    /// Borrows the value while C owns it.
    ///
    /// # Safety
    ///
    /// `ptr` is from [`Self::into_foreign`] and is not taken back during `'a`;
    /// nothing from [`Self::borrow_mut`] is in use.
    unsafe fn borrow<'a>(ptr: *mut c_void) -> Self::Borrowed<'a>;

    /// Borrows the value mutably while C owns it.
    ///
    /// # Safety
    ///
    /// As [`Self::borrow`], and no other borrow from `ptr` is in use during `'a`.
    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> Self::BorrowedMut<'a>;
}

// SAFETY: A dangling pointer is aligned and not null.
unsafe impl ForeignOwnable for () {
    const FOREIGN_ALIGN: usize = align_of::<()>();
    type Borrowed<'a> = ();
    type BorrowedMut<'a> = ();

    fn into_foreign(self) -> *mut c_void {
        core::ptr::dangling_mut()
    }

    unsafe fn from_foreign(_: *mut c_void) -> Self {}

    unsafe fn borrow<'a>(_: *mut c_void) -> Self::Borrowed<'a> {}

    unsafe fn borrow_mut<'a>(_: *mut c_void) -> Self::BorrowedMut<'a> {}
}

/// Runs a closure at the end of a scope, however it ends.
///
/// # Examples
///
/// ```
/// use core::cell::Cell;
/// use kernel::types::ScopeGuard;
///
/// let log = Cell::new(0);
/// {
///     let _undo = ScopeGuard::new(|| log.set(1));
///     assert_eq!(log.get(), 0);
/// }
/// assert_eq!(log.get(), 1);
///
/// ScopeGuard::new(|| log.set(2)).dismiss();
/// assert_eq!(log.get(), 1);
/// ```
pub struct ScopeGuard<T, F: FnOnce(T)>(Option<(T, F)>);

impl<T, F: FnOnce(T)> ScopeGuard<T, F> {
    /// A guard that hands `data` to `cleanup_func`.
    pub fn new_with_data(data: T, cleanup_func: F) -> Self {
        ScopeGuard(Some((data, cleanup_func)))
    }

    /// Returns the data without running the closure.
    pub fn dismiss(mut self) -> T {
        match self.0.take() {
            Some((data, _)) => data,
            None => unreachable!("only drop() and dismiss() take the data"),
        }
    }
}

impl ScopeGuard<(), fn(())> {
    /// A guard without data.
    pub fn new(cleanup: impl FnOnce()) -> ScopeGuard<(), impl FnOnce(())> {
        ScopeGuard::new_with_data((), move |()| cleanup())
    }
}

impl<T, F: FnOnce(T)> Deref for ScopeGuard<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some((data, _)) => data,
            None => unreachable!("only drop() and dismiss() take the data"),
        }
    }
}

impl<T, F: FnOnce(T)> DerefMut for ScopeGuard<T, F> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some((data, _)) => data,
            None => unreachable!("only drop() and dismiss() take the data"),
        }
    }
}

impl<T, F: FnOnce(T)> Drop for ScopeGuard<T, F> {
    fn drop(&mut self) {
        if let Some((data, cleanup)) = self.0.take() {
            cleanup(data);
        }
    }
}

/// Something that C reads and writes behind Rust's back.
///
/// Having a reference to one tells you that the memory is valid and does not move, and nothing
/// about what is in it: it may be uninitialised, and may change at any time.
#[repr(transparent)]
pub struct Opaque<T> {
    value: UnsafeCell<MaybeUninit<T>>,
    _pin: PhantomPinned,
}

// SAFETY: Any bytes are a valid `MaybeUninit`.
unsafe impl<T> Zeroable for Opaque<T> {}

impl<T> Opaque<T> {
    const fn of(value: MaybeUninit<T>) -> Self {
        let (value, _pin) = (UnsafeCell::new(value), PhantomPinned);
        Opaque { value, _pin }
    }

    /// Holds `value`, which is never dropped.
    pub const fn new(value: T) -> Self {
        Self::of(MaybeUninit::new(value))
    }

    /// Holds nothing yet.
    pub const fn uninit() -> Self {
        Self::of(MaybeUninit::uninit())
    }

    /// Holds zeroes.
    pub const fn zeroed() -> Self {
        Self::of(MaybeUninit::zeroed())
    }

    /// Initialises in place by a C function that takes a pointer.
    pub fn ffi_init(init_func: impl FnOnce(*mut T)) -> impl PinInit<Self> {
        Self::try_ffi_init(move |slot| {
            init_func(slot);
            Ok(())
        })
    }

    /// Initialises in place by a C function that takes a pointer and may fail.
    pub fn try_ffi_init<E>(
        init_func: impl FnOnce(*mut T) -> Result<(), E>,
    ) -> impl PinInit<Self, E> {
        let closure = move |slot: *mut Self| init_func(Self::cast_into(slot));
        // SAFETY: Any contents of `slot` are a valid `Opaque`, which a failure need not drop.
        unsafe { pin_init::pin_init_from_closure(closure) }
    }

    /// Returns C's pointer to the value.
    pub const fn get(&self) -> *mut T {
        UnsafeCell::get(&self.value).cast()
    }

    /// The pointer to the value behind a pointer to an `Opaque`.
    pub const fn cast_into(this: *const Self) -> *mut T {
        UnsafeCell::raw_get(this.cast::<UnsafeCell<MaybeUninit<T>>>()).cast()
    }

    /// The pointer to an `Opaque` that a pointer to its value comes from.
    pub const fn cast_from(this: *const T) -> *const Self {
        this.cast()
    }
}

impl<T> Wrapper<T> for Opaque<T> {
    fn pin_init<E>(init: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        Self::try_ffi_init(|slot| {
            // SAFETY: `slot` is the pinned memory to initialise.
            unsafe { pin_init::raw_try_init(slot, init) }
        })
    }
}

/// A field of this type keeps a structure in the thread that created it.
pub type NotThreadSafe = PhantomData<*mut ()>;

/// The value of the type of the same name.
#[allow(non_upper_case_globals)]
pub const NotThreadSafe: NotThreadSafe = PhantomData;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn opaque_is_what_c_writes() -> Result {
        let opaque = KBox::pin_init(
            Opaque::ffi_init(|slot: *mut u32| {
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(7) }
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: Initialised above, and no other reference exists.
        assert_eq!(unsafe { opaque.get().read() }, 7);
        assert_eq!(Opaque::cast_from(opaque.get()), &raw const *opaque);

        let failed = KBox::try_pin_init(Opaque::<u32>::try_ffi_init(|_| Err(EIO)), GFP_KERNEL);
        assert_eq!(failed.err(), Some(EIO));
        Ok(())
    }

    #[test]
    fn scope_guards_give_their_data_back() {
        let mut guard = ScopeGuard::new_with_data(1, |_| panic!("dismissed"));
        *guard += 1;
        assert_eq!(guard.dismiss(), 2);
    }

    #[test]
    fn nothing_can_be_foreign() {
        // SAFETY: Given away in the same expression.
        unsafe { <()>::from_foreign(().into_foreign()) };
        assert!(!().into_foreign().is_null());
    }
}
