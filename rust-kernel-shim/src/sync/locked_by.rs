// SPDX-License-Identifier: GPL-2.0-only

//! Data under a lock that is elsewhere.
//!
//! C header: none.

use super::lock::{Backend, Lock};
use crate::build_assert::build_assert;
use core::{cell::UnsafeCell, ptr};

/// Data that belongs to what a lock protects, but is not inside of it.
///
/// A caller that shows what the lock protects holds the lock, and so may use the data.
///
/// # Examples
///
/// ```
/// use kernel::{
///     new_mutex,
///     prelude::*,
///     sync::{LockedBy, Mutex},
/// };
///
/// struct Total {
///     bytes: u64,
/// }
///
/// let total = KBox::pin_init(new_mutex!(Total { bytes: 0 }), GFP_KERNEL)?;
/// let first = LockedBy::new(&total, 1u64);
/// let second = LockedBy::new(&total, 2u64);
///
/// let mut guard = total.lock();
/// *first.access_mut(&mut guard) += 10;
/// guard.bytes = *first.access(&guard) + *second.access(&guard);
/// assert_eq!(guard.bytes, 13);
/// # drop(guard);
/// # Ok::<(), Error>(())
/// ```
pub struct LockedBy<T: ?Sized, U: ?Sized> {
    /// Compared, and never followed.
    owner: *const U,
    data: UnsafeCell<T>,
}

// SAFETY: The memory is the data's.
unsafe impl<T: ?Sized + Send, U: ?Sized> Send for LockedBy<T, U> {}

// SAFETY: Only one thread has the owner mutably; several share the data only if it is `Sync`.
unsafe impl<T: ?Sized + Send, U: ?Sized> Sync for LockedBy<T, U> {}

impl<T, U> LockedBy<T, U> {
    /// Puts `data` under the lock `owner`.
    pub fn new<B: Backend>(owner: &Lock<U, B>, data: T) -> Self {
        build_assert!(
            size_of::<Lock<U, B>>() > 0,
            "locks without a size cannot be told apart"
        );
        Self {
            owner: owner.data.get(),
            data: UnsafeCell::new(data),
        }
    }
}

impl<T: ?Sized, U> LockedBy<T, U> {
    /// The data, to read.
    ///
    /// That `owner` is what the lock protects is checked: another is a BUG.
    #[track_caller]
    pub fn access<'a>(&'a self, owner: &'a U) -> &'a T
    where
        T: Sync,
    {
        self.check(owner);
        // SAFETY: While the owner is shared no thread has it, and so the data,
        // mutably; if several threads share it, the data is `Sync`.
        unsafe { &*self.data.get() }
    }

    /// The data, to change.
    ///
    /// That `owner` is what the lock protects is checked: another is a BUG.
    #[track_caller]
    pub fn access_mut<'a>(&'a self, owner: &'a mut U) -> &'a mut T {
        self.check(owner);
        // SAFETY: No other thread has the owner, and so the data, during 'a.
        unsafe { &mut *self.data.get() }
    }

    #[track_caller]
    fn check(&self, owner: &U) {
        build_assert!(
            size_of::<U>() > 0,
            "a reference to something without a size proves nothing"
        );
        if !ptr::eq(owner, self.owner) {
            crate::bindings::BUG!("mismatched owners");
        }
    }
}
