// SPDX-License-Identifier: GPL-2.0-only

//! Locks of any kind, and their guards.
//!
//! C headers: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h) and [`include/linux/mutex.h`](srctree/include/linux/mutex.h).

use super::LockClassKey;
use crate::{
    bindings,
    ffi::c_char,
    str::{CStr, CStrExt as _},
    types::{NotThreadSafe, Opaque, ScopeGuard},
};
use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ops::{Deref, DerefMut},
    pin::Pin,
};
use pin_init::{pin_data, pin_init, PinInit, Wrapper};

pub(super) mod global;
pub mod mutex;
pub mod spinlock;

pub use global::{GlobalGuard, GlobalLock, GlobalLockBackend, GlobalLockedBy};

/// A kind of lock.
///
/// # Safety
///
/// - From [`Self::lock`] until [`Self::unlock`], no other thread gets the lock.
/// - [`Self::relock`] leaves the lock as [`Self::lock`] does.
pub unsafe trait Backend {
    /// C's lock.
    type State;

    /// The state that a guard holds from locking until unlocking.
    type GuardState;

    /// Initialises the lock.
    ///
    /// # Safety
    ///
    /// `ptr` is valid for writes while the lock lives, `name` and `key` forever.
    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key);

    /// Waits for the lock.
    ///
    /// # Safety
    ///
    /// The lock is initialised.
    #[must_use]
    #[track_caller]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState;

    /// Takes the lock if it is free.
    ///
    /// # Safety
    ///
    /// The lock is initialised.
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState>;

    /// Releases the lock.
    ///
    /// # Safety
    ///
    /// This thread has the lock.
    unsafe fn unlock(ptr: *mut Self::State, guard_state: &Self::GuardState);

    /// Waits for the lock after having released it.
    ///
    /// # Safety
    ///
    /// `guard_state` is from [`Self::lock`] or [`Self::try_lock`], and the lock was released since.
    unsafe fn relock(ptr: *mut Self::State, guard_state: &mut Self::GuardState) {
        // SAFETY: The lock is initialised, since it was taken once.
        *guard_state = unsafe { Self::lock(ptr) };
    }

    /// Reports if this thread does not have the lock, in a debug kernel.
    ///
    /// # Safety
    ///
    /// The lock is initialised.
    unsafe fn assert_is_held(ptr: *mut Self::State);
}

/// A lock and what it protects.
#[repr(C)]
#[pin_data]
pub struct Lock<T: ?Sized, B: Backend> {
    /// C's lock.
    #[pin]
    state: Opaque<B::State>,

    /// Some kinds of lock know their own address.
    #[pin]
    _pin: PhantomPinned,

    /// The data that the lock protects.
    #[pin]
    pub(crate) data: UnsafeCell<T>,
}

// SAFETY: The lock's memory is the data's.
unsafe impl<T: ?Sized + Send, B: Backend> Send for Lock<T, B> {}

// SAFETY: One thread at a time gets at the data, so sharing the lock sends the data.
unsafe impl<T: ?Sized + Send, B: Backend> Sync for Lock<T, B> {}

impl<T, B: Backend> Lock<T, B> {
    /// A lock that is free, protecting `t`.
    pub fn new(
        t: impl PinInit<T>,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        let name = name.as_char_ptr();
        pin_init!(Self {
            data <- UnsafeCell::pin_init(t),
            _pin: PhantomPinned,
            state <- Opaque::ffi_init(|slot| {
                // SAFETY: The slot is the lock's memory; name and key are static.
                unsafe { B::init(slot, name, key.as_ptr()) }
            }),
        })
    }
}

impl<B: Backend> Lock<(), B> {
    /// Wraps C's lock, as one that protects nothing.
    ///
    /// # Safety
    ///
    /// `ptr` is valid and initialised during `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut B::State) -> &'a Self {
        // SAFETY: `state` comes first and the rest has no size.
        unsafe { &*ptr.cast() }
    }
}

impl<T: ?Sized, B: Backend> Lock<T, B> {
    /// Waits for the lock.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T, B> {
        // SAFETY: The lock was initialised when it was created.
        let state = unsafe { B::lock(self.state.get()) };
        // SAFETY: Locked just now.
        let guard = unsafe { Guard::new(self, state) };
        bindings::debug_fail_point();
        guard
    }

    /// Takes the lock if it is free.
    #[must_use = "the lock is released at once if the guard is dropped"]
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T, B>> {
        // SAFETY: The lock was initialised when it was created.
        let state = unsafe { B::try_lock(self.state.get()) }?;
        // SAFETY: Locked just now.
        Some(unsafe { Guard::new(self, state) })
    }
}

/// A lock that is taken.
///
/// Having one tells you that you alone get at what the lock protects.
///
/// What it protects is pinned: `*guard = ...` and `guard.field = ...` are for what may move
/// ([`Unpin`]). Of anything else the compiler says that [`DerefMut`] is not implemented for the
/// guard, or that `PhantomPinned` cannot be unpinned. Keep the part that changes in a box then, or
/// beside the part that stays. All pointers ([`Arc`](super::Arc), boxes, the handles of timers) may
/// move, wherever their object stays.
///
/// # Invariants
///
/// This thread has the lock.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct Guard<'a, T: ?Sized, B: Backend> {
    pub(crate) lock: &'a Lock<T, B>,
    pub(crate) state: B::GuardState,
    _not_send: NotThreadSafe,
}

// SAFETY: Sharing a guard shares the data, no more.
unsafe impl<T: Sync + ?Sized, B: Backend> Sync for Guard<'_, T, B> {}

impl<'a, T: ?Sized, B: Backend> Guard<'a, T, B> {
    /// A guard for a lock that is taken already.
    ///
    /// # Safety
    ///
    /// This thread holds the lock, and nothing else releases it.
    #[inline]
    pub unsafe fn new(lock: &'a Lock<T, B>, state: B::GuardState) -> Self {
        // SAFETY: The lock was initialised when it was created.
        unsafe { B::assert_is_held(lock.state.get()) };
        // INVARIANT: The caller says that this thread has the lock.
        Guard {
            lock,
            state,
            _not_send: NotThreadSafe,
        }
    }

    /// The lock.
    pub fn lock_ref(&self) -> &'a Lock<T, B> {
        self.lock
    }

    /// Releases the lock while `cb` runs.
    pub(crate) fn do_unlocked<U>(&mut self, cb: impl FnOnce() -> U) -> U {
        let lock = self.lock.state.get();
        // SAFETY: By the invariant this thread has it.
        unsafe { B::unlock(lock, &self.state) };
        // INVARIANT: Taken again however `cb` ends.
        let _relock = ScopeGuard::new(|| {
            // SAFETY: Released above, with the state from when it was taken.
            unsafe { B::relock(lock, &mut self.state) }
        });
        cb()
    }

    /// Returns what the lock protects, pinned.
    pub fn as_mut(&mut self) -> Pin<&mut T> {
        let data = self.lock.data.get();
        // SAFETY: By the invariant it is ours alone.
        let data = unsafe { &mut *data };
        // SAFETY: It is a pinned field of the lock.
        unsafe { Pin::new_unchecked(data) }
    }
}

impl<T: ?Sized, B: Backend> Deref for Guard<'_, T, B> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let data = self.lock.data.get();
        // SAFETY: This thread holds the lock, by the invariant, so no other thread changes it.
        unsafe { &*data }
    }
}

impl<T: ?Sized, B: Backend> DerefMut for Guard<'_, T, B>
where
    T: Unpin,
{
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.as_mut().get_mut()
    }
}

impl<T: ?Sized, B: Backend> Drop for Guard<'_, T, B> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the invariant this thread has it.
        unsafe { B::unlock(self.lock.state.get(), &self.state) };
    }
}

#[cfg(test)]
mod tests {
    use crate::{new_mutex, new_spinlock, new_spinlock_irq, prelude::*, sync::Arc};

    #[test]
    fn one_at_a_time() -> Result {
        macro_rules! check {
            ($new:ident) => {{
                let lock = KBox::pin_init($new!(1), GFP_KERNEL)?;
                let mut guard = lock.lock();
                *guard += 1;
                assert!(lock.try_lock().is_none());
                assert!(core::ptr::eq(guard.lock_ref(), &*lock));
                drop(guard);
                assert_eq!(lock.try_lock().map(|guard| *guard), Some(2));
            }};
        }
        check!(new_spinlock);
        check!(new_spinlock_irq);
        check!(new_mutex);
        Ok(())
    }

    #[test]
    fn drops_what_it_protects() -> Result {
        let value = Arc::new(1, GFP_KERNEL)?;
        let lock = KBox::pin_init(new_mutex!(value.clone(), "name"), GFP_KERNEL)?;
        assert_eq!(value.references(), 2);
        drop(lock);
        assert_eq!(value.references(), 1);
        Ok(())
    }

    #[test]
    fn cleans_up_if_the_value_cannot_be_made() {
        let value = Arc::new(1, GFP_KERNEL).unwrap();
        let first = value.clone();
        let made = KBox::pin_init(
            try_pin_init!(Pair {
                first,
                lock <- new_spinlock!(u8::try_from(300)?),
            }),
            GFP_KERNEL,
        );
        assert_eq!(made.err(), Some(EINVAL));
        assert_eq!(value.references(), 1);
    }

    #[pin_data]
    struct Pair {
        first: Arc<i32>,
        #[pin]
        lock: crate::sync::SpinLock<u8>,
    }
}
