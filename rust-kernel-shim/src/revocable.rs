// SPDX-License-Identifier: GPL-2.0-only

//! Objects that go while others still have references to what holds them.
//!
//! C header: none.

use crate::{
    prelude::*,
    sync::{
        atomic::{AtomicFlag, Relaxed},
        rcu,
    },
    try_pin_init,
    types::Opaque,
};
use core::{marker::PhantomData, ops::Deref, ptr::drop_in_place};
use pin_init::Wrapper as _;

/// A value that can be taken away from those who use it: registers of a device that is unplugged,
/// for example.
///
/// It is used inside RCU read-side sections, and dropped a grace period after it was revoked.
///
/// # Invariants
///
/// `data` is initialised while `is_available` is true, and after that to the end of each section
/// that has found it so.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, revocable::Revocable};
///
/// let register = KBox::pin_init(Revocable::new(7), GFP_KERNEL)?;
/// assert_eq!(register.try_access_with(|value| *value), Some(7));
/// assert!(register.revoke());
/// assert!(register.try_access().is_none());
/// # Ok::<(), Error>(())
/// ```
#[pin_data(PinnedDrop)]
pub struct Revocable<T> {
    is_available: AtomicFlag,
    #[pin]
    data: Opaque<T>,
}

// SAFETY: What it does with the value from another thread is to use and to drop it.
unsafe impl<T: Send> Send for Revocable<T> {}

// SAFETY: References to the value come from references to this, and so may its drop.
unsafe impl<T: Sync + Send> Sync for Revocable<T> {}

impl<T> Revocable<T> {
    /// Initialises a value that was not revoked.
    pub fn new<E>(data: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        try_pin_init!(Self {
            is_available: AtomicFlag::new(true),
            data <- Opaque::pin_init(data),
        }? E)
    }

    /// Begins a read-side section in which the value may be used; `None` if it was revoked.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_access(&self) -> Option<RevocableGuard<'_, T>> {
        let guard = rcu::read_lock();
        // INVARIANT: The section was begun before the look, and is open as long as the result.
        self.is_available.load(Relaxed).then(|| RevocableGuard {
            data: self.data.get(),
            _guard: guard,
            _revocable: PhantomData,
        })
    }

    /// Returns the value, for use inside a section that is open; `None` if it was revoked.
    pub fn try_access_with_guard<'a>(&'a self, _guard: &'a rcu::Guard) -> Option<&'a T> {
        // SAFETY: Available, so initialised to the end of the section, says the invariant.
        (self.is_available.load(Relaxed)).then(|| unsafe { &*self.data.get() })
    }

    /// Calls `f` with the value inside a section; `None` if it was revoked.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_access_with<R, F: FnOnce(&T) -> R>(&self, f: F) -> Option<R> {
        self.try_access().map(|value| f(&value))
    }

    /// Returns the value.
    ///
    /// # Safety
    ///
    /// It is not revoked as long as the result is used.
    pub unsafe fn access(&self) -> &T {
        // SAFETY: It is available: the caller's guarantee.
        unsafe { &*self.data.get() }
    }

    /// Takes the value away, waits for a grace period and drops it; false if it was revoked
    /// before. May sleep, and not inside a section.
    #[track_caller]
    pub fn revoke(&self) -> bool {
        let revoked = self.is_available.xchg(false, Relaxed);
        if revoked {
            rcu::synchronize_rcu();
            // SAFETY: No section that began since has found it available, and all before have
            // ended. It is dropped once, since only one finds it available here.
            unsafe { drop_in_place(self.data.get()) };
        }
        revoked
    }

    /// As [`revoke`](Self::revoke), but drops the value at once.
    ///
    /// # Safety
    ///
    /// No section uses the value.
    pub unsafe fn revoke_nosync(&self) -> bool {
        let revoked = self.is_available.xchg(false, Relaxed);
        if revoked {
            // SAFETY: It was available, and is not used: the caller's guarantee.
            unsafe { drop_in_place(self.data.get()) };
        }
        revoked
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Revocable<T> {
    fn drop(self: Pin<&mut Self>) {
        if self.is_available.xchg(false, Relaxed) {
            // SAFETY: It was available, and the last reference is gone.
            unsafe { drop_in_place(self.data.get()) };
        }
    }
}

/// A read-side section in which the value of a [`Revocable`] may be used.
///
/// Having one tells you that the value is there until it ends, and that you must not sleep.
///
/// # Invariants
///
/// `data` is initialised as long as the section is open.
pub struct RevocableGuard<'a, T> {
    data: *const T,
    _guard: rcu::Guard,
    _revocable: PhantomData<&'a T>,
}

impl<T> Deref for RevocableGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The section is open, says the invariant.
        unsafe { &*self.data }
    }
}
