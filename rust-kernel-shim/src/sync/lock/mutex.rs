// SPDX-License-Identifier: GPL-2.0-only

//! Locks whose owner may sleep.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h).

use super::{Backend, Guard, Lock};
use crate::{bindings, ffi::c_char};

/// An initialiser of a [`Mutex`](crate::sync::Mutex), with the value and a name
/// for reports, else file and line.
#[macro_export]
macro_rules! new_mutex {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::Mutex::new(
            $inner,
            $crate::optional_name!($($name)?),
            $crate::static_lock_class!(),
        )
    };
}
pub use new_mutex;

/// A lock whose owner may sleep, as may a task that waits for it.
#[doc(alias = "mutex")]
pub type Mutex<T> = Lock<T, MutexBackend>;

/// The guard of a [`Mutex`].
pub type MutexGuard<'a, T> = Guard<'a, T, MutexBackend>;

/// The kind of a [`Mutex`].
pub struct MutexBackend;

// SAFETY: C's mutex is a lock.
unsafe impl Backend for MutexBackend {
    type State = bindings::mutex;
    type GuardState = ();

    #[inline]
    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: The caller's promises are those of C.
        unsafe { bindings::__mutex_init(ptr, name, key) }
    }

    #[inline]
    #[track_caller]
    unsafe fn lock(ptr: *mut Self::State) {
        // SAFETY: The caller says that it is initialised.
        unsafe { bindings::mutex_lock(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<()> {
        // SAFETY: The caller says that it is initialised.
        (unsafe { bindings::mutex_trylock(ptr) } != 0).then_some(())
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, (): &()) {
        // SAFETY: The caller says that this thread has it.
        unsafe { bindings::mutex_unlock(ptr) }
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: The caller says that it is initialised.
        unsafe { bindings::mutex_assert_is_held(ptr) }
    }
}
