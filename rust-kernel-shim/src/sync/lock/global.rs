// SPDX-License-Identifier: GPL-2.0-only

//! Locks that are statics.
//!
//! C header: none.

use super::{Backend, Guard, Lock};
use crate::{
    str::{CStr, CStrExt as _},
    sync::{LockClassKey, LockedBy},
    types::Opaque,
};
use core::{
    cell::UnsafeCell,
    marker::{PhantomData, PhantomPinned},
    ops::{Deref, DerefMut},
    pin::Pin,
};

/// What is known of one [`GlobalLock`]; [`global_lock!`] implements it.
pub trait GlobalLockBackend {
    /// Its name.
    const NAME: &'static CStr;
    /// What it protects.
    type Item: 'static;
    /// What kind of lock it is.
    type Backend: Backend + 'static;
    /// Its lock class.
    fn get_lock_class() -> Pin<&'static LockClassKey>;
}

/// A lock in a static, from [`global_lock!`].
pub struct GlobalLock<B: GlobalLockBackend> {
    inner: Lock<B::Item, B::Backend>,
}

impl<B: GlobalLockBackend> GlobalLock<B> {
    /// A lock that is not initialised.
    ///
    /// # Safety
    ///
    /// [`Self::init`] comes before any other use, and no other lock has this `B`.
    pub const unsafe fn new(data: B::Item) -> Self {
        GlobalLock {
            inner: Lock {
                state: Opaque::uninit(),
                _pin: PhantomPinned,
                data: UnsafeCell::new(data),
            },
        }
    }

    /// Initialises the lock.
    ///
    /// # Safety
    ///
    /// Called once, before any other use.
    pub unsafe fn init(&'static self) {
        let (name, key) = (B::NAME.as_char_ptr(), B::get_lock_class().as_ptr());
        // SAFETY: The lock is a static, as are name and key, and nothing else uses it yet.
        unsafe { B::Backend::init(self.inner.state.get(), name, key) }
    }

    /// Waits for the lock.
    #[inline]
    #[track_caller]
    pub fn lock(&'static self) -> GlobalGuard<B> {
        let inner = self.inner.lock();
        GlobalGuard { inner }
    }

    /// Takes the lock if it is free.
    #[must_use = "the lock is released at once if the guard is dropped"]
    #[inline]
    pub fn try_lock(&'static self) -> Option<GlobalGuard<B>> {
        let inner = self.inner.try_lock()?;
        Some(GlobalGuard { inner })
    }
}

/// A [`GlobalLock`] that is taken.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct GlobalGuard<B: GlobalLockBackend> {
    inner: Guard<'static, B::Item, B::Backend>,
}

impl<B: GlobalLockBackend> Deref for GlobalGuard<B> {
    type Target = B::Item;

    fn deref(&self) -> &B::Item {
        &self.inner
    }
}

impl<B: GlobalLockBackend> DerefMut for GlobalGuard<B>
where
    B::Item: Unpin,
{
    fn deref_mut(&mut self) -> &mut B::Item {
        &mut self.inner
    }
}

/// A value that a [`GlobalLock`] protects wherever it is, as [`LockedBy`] for another lock.
pub struct GlobalLockedBy<T: ?Sized, B: GlobalLockBackend> {
    _backend: PhantomData<B>,
    value: UnsafeCell<T>,
}

// SAFETY: As the value of a `LockedBy`.
unsafe impl<T: ?Sized, B: GlobalLockBackend> Send for GlobalLockedBy<T, B> where
    LockedBy<T, B::Item>: Send
{
}

// SAFETY: As the value of a `LockedBy`.
unsafe impl<T: ?Sized, B: GlobalLockBackend> Sync for GlobalLockedBy<T, B> where
    LockedBy<T, B::Item>: Sync
{
}

impl<T, B: GlobalLockBackend> GlobalLockedBy<T, B> {
    /// A value that the only lock of this `B` protects.
    pub fn new(val: T) -> Self {
        GlobalLockedBy {
            _backend: PhantomData,
            value: UnsafeCell::new(val),
        }
    }
}

impl<T: ?Sized, B: GlobalLockBackend> GlobalLockedBy<T, B> {
    /// Returns the value while the lock is taken.
    pub fn as_ref<'a>(&'a self, _guard: &'a GlobalGuard<B>) -> &'a T {
        // SAFETY: There is one lock, so this is its only guard, and nothing is mutable through a shared one.
        unsafe { &*self.value.get() }
    }

    /// Returns the value while the lock is taken, to change it.
    pub fn as_mut<'a>(&'a self, _guard: &'a mut GlobalGuard<B>) -> &'a mut T {
        // SAFETY: There is one lock, so this is its only guard, which is borrowed as long.
        unsafe { &mut *self.value.get() }
    }

    /// Returns the value, without the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// Defines a static with a lock in it.
///
/// A `Mutex`, `SpinLock` or `SpinLockIrq`; a module initialises it where it is loaded.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::{global_lock, GlobalLockedBy}};
///
/// global_lock! {
///     // SAFETY: Initialised before it is used, in main().
///     unsafe(uninit) static CARDS: Mutex<u32> = 0;
/// }
///
/// let slot = GlobalLockedBy::<_, CARDS>::new('a');
/// // SAFETY: Here, and only once.
/// unsafe { CARDS.init() };
/// let mut cards = CARDS.lock();
/// *cards += 1;
/// *slot.as_mut(&mut cards) = 'b';
/// assert_eq!((*cards, *slot.as_ref(&cards)), (1, 'b'));
/// assert!(CARDS.try_lock().is_none());
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! global_lock {
    (
        $(#[$meta:meta])* $vis:vis
        unsafe(uninit) static $name:ident: $kind:ident<$item:ty> = $value:expr;
    ) => {
        /// The lock of the same name.
        #[allow(non_camel_case_types, unreachable_pub)]
        $vis enum $name {}

        impl $crate::sync::lock::GlobalLockBackend for $name {
            const NAME: &'static $crate::str::CStr = $crate::c_str!(::core::stringify!($name));
            type Item = $item;
            type Backend = $crate::global_lock!(@backend $kind);

            fn get_lock_class() -> ::core::pin::Pin<&'static $crate::sync::LockClassKey> {
                $crate::static_lock_class!()
            }
        }

        $(#[$meta])*
        $vis static $name: $crate::sync::lock::GlobalLock<$name> = {
            let value: $item = $value;
            // SAFETY: The user says that it is initialised before use. This is the only lock of the type.
            unsafe { $crate::sync::lock::GlobalLock::new(value) }
        };
    };
    (@backend Mutex) => { $crate::sync::lock::mutex::MutexBackend };
    (@backend SpinLock) => { $crate::sync::lock::spinlock::SpinLockBackend };
    (@backend SpinLockIrq) => { $crate::sync::lock::spinlock::SpinLockIrqBackend };
}

#[doc(inline)]
pub use global_lock;
