// SPDX-License-Identifier: GPL-2.0-only

//! Synchronisation.
//!
//! C headers: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h), [`include/linux/mutex.h`](srctree/include/linux/mutex.h),
//! [`include/linux/completion.h`](srctree/include/linux/completion.h), [`include/linux/refcount.h`](srctree/include/linux/refcount.h) and
//! [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h).

use crate::{
    bindings,
    types::{c_synchronises, Opaque},
};
use core::pin::Pin;
use pin_init::{pin_data, pin_init, pinned_drop, PinInit};

mod arc;
pub mod aref;
pub mod atomic;
pub mod barrier;
pub mod completion;
mod condvar;
pub mod lock;
mod locked_by;
pub mod rcu;
mod refcount;
mod set_once;

pub use arc::{Arc, ArcBorrow, UniqueArc};
pub use completion::Completion;
pub use condvar::{new_condvar, CondVar, CondVarTimeoutResult};
pub use lock::mutex::{new_mutex, Mutex, MutexGuard};
pub use lock::spinlock::{
    new_spinlock, new_spinlock_irq, SpinLock, SpinLockGuard, SpinLockIrq, SpinLockIrqGuard,
};
pub use locked_by::LockedBy;
pub use refcount::Refcount;
pub use set_once::SetOnce;

/// What locks have in common for lockdep: those made at one place.
///
/// Keys are told apart by their addresses.
#[doc(alias = "lock_class_key")]
#[repr(transparent)]
#[pin_data(PinnedDrop)]
pub struct LockClassKey {
    #[pin]
    inner: Opaque<bindings::lock_class_key>,
}

c_synchronises!(LockClassKey);

impl LockClassKey {
    /// A key for a `static`.
    ///
    /// # Safety
    ///
    /// It is the value of a `static`, which is never dropped.
    pub const unsafe fn new_static() -> Self {
        LockClassKey {
            inner: Opaque::uninit(),
        }
    }

    /// A key that comes and goes.
    pub fn new_dynamic() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot| {
                // SAFETY: The memory is pinned, and unregistered by drop().
                unsafe { bindings::lockdep_register_key(slot) }
            }),
        })
    }

    /// What C wants.
    pub fn as_ptr(&self) -> *mut bindings::lock_class_key {
        self.inner.get()
    }
}

#[pinned_drop]
impl PinnedDrop for LockClassKey {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Only a key made by `new_dynamic()` is ever dropped.
        unsafe { bindings::lockdep_unregister_key(self.as_ptr()) };
    }
}

/// A [`LockClassKey`](crate::sync::LockClassKey) for this place in the code.
#[macro_export]
macro_rules! static_lock_class {
    () => {{
        static CLASS: $crate::sync::LockClassKey =
            // SAFETY: This is a static.
            unsafe { $crate::sync::LockClassKey::new_static() };
        $crate::prelude::Pin::static_ref(&CLASS)
    }};
}
pub use static_lock_class;

/// The name given, or file and line.
#[doc(hidden)]
#[macro_export]
macro_rules! optional_name {
    () => {
        $crate::c_str!(::core::concat!(::core::file!(), ":", ::core::line!()))
    };
    ($name:literal) => {
        $crate::c_str!($name)
    };
}
