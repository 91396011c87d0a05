// SPDX-License-Identifier: GPL-2.0-only

//! Synchronisation.
//!
//! C headers: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h), [`include/linux/mutex.h`](srctree/include/linux/mutex.h),
//! [`include/linux/completion.h`](srctree/include/linux/completion.h), [`include/linux/refcount.h`](srctree/include/linux/refcount.h) and
//! [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h).

use crate::{bindings, implement::c_synchronises, types::Opaque};
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
pub mod srcu;

pub use arc::{Arc, ArcBorrow, UniqueArc};
pub use completion::Completion;
pub use condvar::{new_condvar, CondVar, CondVarTimeoutResult};
pub use lock::global::{global_lock, GlobalGuard, GlobalLock, GlobalLockBackend, GlobalLockedBy};
pub use lock::mutex::{new_mutex, Mutex, MutexGuard};
pub use lock::spinlock::{
    new_spinlock, new_spinlock_irq, SpinLock, SpinLockGuard, SpinLockIrq, SpinLockIrqGuard,
};
pub use locked_by::LockedBy;
pub use refcount::Refcount;
pub use set_once::SetOnce;
pub use srcu::{new_srcu, Srcu};

/// The lock class, for lockdep, of all locks that one line of code initialises.
///
/// Keys are distinguished by their addresses.
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
            inner: Opaque::new(bindings::lock_class_key::new()),
        }
    }

    /// Initialises a key that is dropped before the end.
    pub fn new_dynamic() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::lock_class_key| {
                // SAFETY: The memory is valid, pinned, and unregistered by drop().
                unsafe {
                    slot.write(bindings::lock_class_key::new());
                    bindings::lockdep_register_key(slot);
                }
            }),
        })
    }

    /// Returns C's pointer.
    pub fn as_ptr(&self) -> *mut bindings::lock_class_key {
        self.inner.get()
    }
}

#[pinned_drop]
impl PinnedDrop for LockClassKey {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Only a key from `new_dynamic()`, which registered it, is ever dropped.
        unsafe { bindings::lockdep_unregister_key(self.as_ptr()) };
    }
}

/// A [`LockClassKey`](crate::sync::LockClassKey) for this line of code.
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

/// The name given, or else file and line, with a suffix.
#[doc(hidden)]
#[macro_export]
macro_rules! optional_name {
    ($(; $suffix:literal)?) => {
        $crate::c_str!(::core::concat!(::core::file!(), ":", ::core::line!() $(, $suffix)?))
    };
    ($name:literal $(; $suffix:literal)?) => {
        $crate::c_str!(::core::concat!($name $(, $suffix)?))
    };
}
